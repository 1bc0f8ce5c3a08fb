"""Center crop: the middle of every image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tasks.image.geometry import Matrix, Size, translation
from tasks.operation import Fraction, Geometric, SquareSize


class CenterCrop(Geometric):
    """Cut out the middle.

    ``size`` is [width, height] in pixels; a number is a square. An image that is smaller is padded with ``fill``, a
    fraction of the value range. Pixels of every dtype are copied, never resampled; boxes are clipped.

    Source: torchvision ``CenterCrop``; an odd pixel too many goes from the right and the bottom.
    """

    example: ClassVar[Mapping[str, Any]] = {"size": [224, 224]}
    exact: ClassVar[bool] = True

    size: SquareSize
    fill: Fraction | None = None

    def canvas(self, size: Size, **params: Any) -> Size:
        return self.size

    def fixed_size(self, size: Size | None) -> Size | None:
        return self.size

    def matrix(self, size: Size, **params: Any) -> Matrix:
        return translation(int((self.size.width - size.width) / 2), int((self.size.height - size.height) / 2))
