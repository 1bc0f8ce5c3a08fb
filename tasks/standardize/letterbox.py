"""Letterbox: every image whole, in one size, with bars."""

from __future__ import annotations

from typing import Any, Literal

from tasks.image.geometry import Matrix, Size, scaling, translation
from tasks.operation import Fraction, Geometric, SquareSize
from tasks.standardize.placed import Position, offset
from tasks.standardize.resize import LETTERBOX


class Letterbox(Geometric):
    """Scale to fit inside a size and fill the rest with bars.

    ``size`` is [width, height] in pixels, a number a square; detectors of the YOLO family take 640. ``upscale: false``
    leaves images that fit inside as large as they are; otherwise this is ``resize`` with ``fit: pad``. ``position``
    places the image; in the center round(d / 2 - 0.1) pixels of bar come first. ``fill`` is a fraction of the value
    range, 114/255. ``interpolation`` and ``antialias`` are those of ``resize``: ``auto`` averages areas along sides
    that shrink and is linear along those that grow (Ultralytics is linear throughout). Every dtype is kept. Boxes move
    with the pixels.

    Source: Ultralytics ``LetterBox`` (``scaleup`` is ``upscale``), Redmon et al. 2016 (darknet ``letterbox_image``).
    """

    size: SquareSize = Size(640, 640)
    upscale: bool = True
    position: Position = "center"
    fill: Fraction = LETTERBOX
    interpolation: Literal["auto", "nearest", "linear", "cubic", "area", "lanczos"] = "auto"
    antialias: bool = True

    def canvas(self, size: Size, **params: Any) -> Size:
        return self.size

    def fixed_size(self, size: Size | None) -> Size | None:
        return self.size

    def matrix(self, size: Size, **params: Any) -> Matrix:
        scale = min(self.size.width / size.width, self.size.height / size.height)
        if not self.upscale:
            scale = min(scale, 1.0)
        width, height = max(1, round(size.width * scale)), max(1, round(size.height * scale))
        left = offset(self.size.width - width, self.position, "left")
        top = offset(self.size.height - height, self.position, "top")
        return translation(left, top) @ scaling(width / size.width, height / size.height)
