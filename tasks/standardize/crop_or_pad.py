"""Crop or pad: every image in one size, without resampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tasks.image.geometry import Size
from tasks.operation import SquareSize
from tasks.standardize.placed import Placed


class CropOrPad(Placed):
    """Cut off what is more than a size and pad what is less.

    ``size`` is [width, height] in pixels; a number is a square. ``position`` is the part that is kept, or the place of
    a smaller image; in the center round(d / 2 - 0.1) pixels of padding come first, floor(d / 2) of a cut. ``border``:
    ``constant`` fills with ``fill``, a fraction of the value range; ``reflect`` mirrors without repeating the edge;
    ``replicate`` repeats the edge. Pixels of every dtype are copied, never resampled; boxes are clipped.

    Source: MONAI ``ResizeWithPadOrCrop``, TorchIO ``CropOrPad``, TensorFlow ``resize_with_crop_or_pad``.
    """

    example: ClassVar[Mapping[str, Any]] = {"size": [224, 224]}

    size: SquareSize

    def canvas(self, size: Size, **params: Any) -> Size:
        return self.size

    def fixed_size(self, size: Size | None) -> Size | None:
        return self.size
