"""Pixelate: large square pixels."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from tasks.augment.downscale import shrunk
from tasks.image.geometry import Size
from tasks.image.render import resize
from tasks.image.sample import Pixels
from tasks.operation import RandomFilter, Range, Ranged, within


class Pixelate(Ranged, RandomFilter):
    """Make large pixels of small ones.

    The sides are shrunk to ``scale`` (0.01 to 1, which changes nothing; a number, or [low, high] to draw from) by
    averaging areas, and enlarged by repeating pixels. Every dtype is kept. Boxes do not change.

    Source: Hendrycks and Dietterich 2019, "Benchmarking neural network robustness".
    """

    shorthand: ClassVar[str | None] = "scale"

    scale: Annotated[Range, within(0.01, 1)] = Range(0.1, 0.5)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        size = Size(pixels.shape[1], pixels.shape[0])
        return resize(resize(pixels, shrunk(size, params["scale"]), "area"), size, "nearest")
