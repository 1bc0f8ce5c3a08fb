"""Random resized crop: a part of any size, brought to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from tasks.augment.windows import window
from tasks.image.geometry import Matrix, Size, scaling, translation
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params, RandomGeometric, Range, SquareSize, within


class RandomResizedCrop(RandomGeometric):
    """Cut out a part of a drawn size and shape, and resize it.

    The part's share of the area is drawn from ``scale``, its width / height from ``ratio`` (uniformly in the
    logarithm), its place uniformly; where ten trials do not fit, the middle is cut with the nearest ratio allowed.
    ``size`` is [width, height] of the result; a number is a square. ``interpolation: auto`` averages areas where it
    shrinks and is linear where it grows; ``antialias`` smooths before the others shrink. Every dtype is kept. Boxes
    move with the pixels and are clipped.

    Source: torchvision ``RandomResizedCrop`` (Szegedy et al. 2015, "Going deeper with convolutions").
    """

    example: ClassVar[Mapping[str, Any]] = {"size": [224, 224]}

    size: SquareSize
    scale: Annotated[Range, within(1e-4, 1)] = Range(0.08, 1.0)
    ratio: Annotated[Range, within(0.01, 100)] = Range(3 / 4, 4 / 3)
    interpolation: Literal["auto", "nearest", "linear", "cubic", "area", "lanczos"] = "auto"
    antialias: bool = True

    def draw(self, rng: Generator, sample: Sample) -> Params:
        found = window(rng, sample.size, self.scale, self.ratio)
        return {"box": found or _middle(sample.size, self.ratio)}

    def canvas(self, size: Size, **params: Any) -> Size:
        return self.size

    def fixed_size(self, size: Size | None) -> Size | None:
        return self.size if self.p == 1 or self.size == size else None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        x, y, width, height = params["box"]
        return scaling(self.size.width / width, self.size.height / height) @ translation(-x, -y)


def _middle(size: Size, ratio: Range) -> list[int]:
    width, height = size
    across = min(width, max(1, round(height * ratio.high)))
    down = min(height, max(1, round(width / ratio.low)))
    return [(width - across) // 2, (height - down) // 2, across, down]
