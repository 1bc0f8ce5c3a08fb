"""Zoom out: the image somewhere on a larger canvas."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from tasks.image.geometry import Matrix, Size, translation
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Fraction, Params, RandomGeometric, Range, within


class ZoomOut(RandomGeometric):
    """Lay the image somewhere on a larger canvas.

    Width and height grow by ``scale`` (1 to 16; a number, or [low, high] to draw from), and the image lies at a drawn
    place; the rest is filled with ``fill``, a fraction of the value range (that of the step before in its fused group,
    else 0). A resize to a fixed size usually follows: objects then get smaller. Pixels of every dtype are copied, never
    resampled; boxes move with them.

    Source: torchvision ``RandomZoomOut`` (whose p is 0.5); Liu et al. 2016, "SSD: single shot multibox detector".
    """

    shorthand: ClassVar[str | None] = "scale"
    exact: ClassVar[bool] = True

    scale: Annotated[Range, within(1, 16)] = Range(1, 4)
    fill: Fraction | None = None

    def draw(self, rng: Generator, sample: Sample) -> Params:
        scale = rng.uniform(*self.scale)
        width, height = int(sample.size.width * scale), int(sample.size.height * scale)
        x, y = rng.integers(0, width - sample.size.width + 1), rng.integers(0, height - sample.size.height + 1)
        return {"x": int(x), "y": int(y), "width": width, "height": height}

    def canvas(self, size: Size, **params: Any) -> Size:
        return Size(params["width"], params["height"])

    def fixed_size(self, size: Size | None) -> Size | None:
        return None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        return translation(params["x"], params["y"])
