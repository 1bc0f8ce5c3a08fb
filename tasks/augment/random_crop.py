"""Random crop: a part of each image, from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tasks.image.geometry import Matrix, Size, translation
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Fraction, Params, RandomGeometric, SquareSize


class RandomCrop(RandomGeometric):
    """Cut out a part, from anywhere.

    ``size`` is [width, height] in pixels; a number is a square. The place is drawn uniformly in whole pixels. A side
    that is too short is padded with ``fill``, a fraction of the value range, in a drawn place too. Pixels of every
    dtype are copied, never resampled; boxes are clipped.

    Source: torchvision ``RandomCrop`` (which pads both ends alike), Albumentations ``RandomCrop``.
    """

    example: ClassVar[Mapping[str, Any]] = {"size": [224, 224]}
    exact: ClassVar[bool] = True

    size: SquareSize
    fill: Fraction | None = None

    def draw(self, rng: Generator, sample: Sample) -> Params:
        across, down = sample.size.width - self.size.width, sample.size.height - self.size.height
        return {
            "x": int(rng.integers(min(0, across), max(0, across) + 1)),
            "y": int(rng.integers(min(0, down), max(0, down) + 1)),
        }

    def canvas(self, size: Size, **params: Any) -> Size:
        return self.size

    def fixed_size(self, size: Size | None) -> Size | None:
        return self.size if self.p == 1 or self.size == size else None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        return translation(-params["x"], -params["y"])
