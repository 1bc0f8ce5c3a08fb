"""Crop: one box out of every image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from tasks.errors import Rejected
from tasks.image.geometry import Matrix, Size, translation
from tasks.operation import Fraction, Geometric, Side


class Box(NamedTuple):
    """``[x, y, width, height]`` in whole pixels."""

    x: int
    y: int
    width: Side
    height: Side


class Crop(Geometric):
    """Cut out a box.

    ``box`` is [x, y, width, height] in pixels. What lies outside the image is filled with ``fill``, a fraction of the
    value range; an image that the box does not meet at all is rejected (``outside_image``). Pixels of every dtype are
    copied, never resampled; boxes are clipped.

    Source: torchvision ``crop``.
    """

    example: ClassVar[Mapping[str, Any]] = {"box": [0, 0, 224, 224]}
    exact: ClassVar[bool] = True

    box: Box
    fill: Fraction | None = None

    def canvas(self, size: Size, **params: Any) -> Size:
        return Size(self.box.width, self.box.height)

    def fixed_size(self, size: Size | None) -> Size | None:
        return Size(self.box.width, self.box.height)

    def matrix(self, size: Size, **params: Any) -> Matrix:
        x, y, width, height = self.box
        if x >= size.width or y >= size.height or x + width <= 0 or y + height <= 0:
            message = f"the box {list(self.box)} lies outside an image of {size.width} x {size.height} pixels"
            raise Rejected("outside_image", message, step=self.name())
        return translation(-x, -y)
