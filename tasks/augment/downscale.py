"""Downscale: as if taken at a lower resolution."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from tasks.image.geometry import Size
from tasks.image.render import resize
from tasks.image.sample import Pixels
from tasks.operation import RandomFilter, Range, Ranged, within


class Downscale(Ranged, RandomFilter):
    """Shrink the image, and enlarge it again.

    Its sides are shrunk to ``scale`` (0.01 to 1, which changes nothing; a number, or [low, high] to draw from) by
    averaging areas, and enlarged by linear interpolation (Albumentations: both by the nearest pixel). Every dtype is
    kept. Boxes do not change.

    Source: Albumentations ``Downscale``.
    """

    shorthand: ClassVar[str | None] = "scale"

    scale: Annotated[Range, within(0.01, 1)] = Range(0.25, 0.75)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        size = Size(pixels.shape[1], pixels.shape[0])
        return resize(resize(pixels, shrunk(size, params["scale"]), "area"), size, "linear")


def shrunk(size: Size, scale: float) -> Size:
    """Give a size by a factor, of at least one pixel."""
    return Size(max(1, round(size.width * scale)), max(1, round(size.height * scale)))
