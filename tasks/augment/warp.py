"""Warp: pixels moved by a field that no matrix says, and boxes with them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import Move, Size
from tasks.image.render import value_range
from tasks.image.sample import Pixels, Sample
from tasks.image.values import with_channels
from tasks.operation import Fraction, RandomFilter

BORDERS = {"constant": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101, "replicate": cv2.BORDER_REPLICATE}


class Warp(RandomFilter):
    """Takes each pixel from elsewhere, by linear interpolation; boxes become the bounds of their outlines after it."""

    kind: ClassVar[str] = "geometric"

    border: Literal["constant", "reflect", "replicate"] = "constant"
    fill: Fraction = 0.0

    @abstractmethod
    def field(self, size: Size, **params: Any) -> NDArray[np.float32]:
        """Give how far off, in pixels, lies what each pixel will show: H x W x 2, x before y."""

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return self._pulled(pixels, self.field(Size(pixels.shape[1], pixels.shape[0]), **params))

    def apply(self, sample: Sample, **params: Any) -> Sample:
        field = self.field(sample.size, **params)
        made = sample.repainted(self._pulled(sample.picture(), field))
        return replace(made, before=(*made.before, Move(np.eye(3), sample.size, warp=field)))

    def _pulled(self, pixels: Pixels, field: NDArray[np.float32]) -> Pixels:
        if not field.any():
            return pixels
        height, width = pixels.shape[:2]
        x = field[:, :, 0] + np.arange(width, dtype=np.float32)
        y = field[:, :, 1] + np.arange(height, dtype=np.float32)[:, None]
        fill = [self.fill * value_range(pixels.dtype)] * 4
        border = BORDERS[self.border]
        made = cv2.remap(pixels, x, y, cv2.INTER_LINEAR, borderMode=border, borderValue=fill)
        return with_channels(np.asarray(made))
