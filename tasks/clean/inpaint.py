"""Inpaint: what is around an overexposed spot, in its place."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import cv2
import numpy as np
from pydantic import Field

from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.image.values import with_channels
from tasks.operation import Filter, Fraction

METHODS = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}


class Inpaint(Filter):
    """Paint over highlights with what is around them.

    Pixels all of whose channels are at least ``above`` (a fraction of the range: reflections, burnt-in marks), and
    those up to ``grow`` pixels around them, are filled from their surroundings of ``radius`` pixels. ``method``:
    ``telea`` marches inwards, ``navier_stokes`` continues lines of equal brightness. All others stay as they are,
    and so does an image that is highlight all over. For dark marks, put ``invert`` before and after. Every dtype is
    kept; uint16 and float32 are filled channel by channel. Boxes do not change.

    Source: Telea 2004, Bertalmio et al. 2001; OpenCV ``inpaint``.
    """

    above: Fraction = 0.98
    grow: Annotated[int, Field(ge=0, le=100)] = 2
    radius: Annotated[float, Field(ge=1, le=100)] = 3.0
    method: Literal["telea", "navier_stokes"] = "telea"

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        mask = (pixels.min(axis=2) >= self.above * value_range(pixels.dtype)).astype(np.uint8)
        if self.grow:
            mask = np.asarray(cv2.dilate(mask, np.ones((2 * self.grow + 1, 2 * self.grow + 1), np.uint8)))
        if not mask.any() or mask.all():
            return pixels
        if pixels.dtype == np.uint8:
            return with_channels(np.asarray(cv2.inpaint(pixels, mask, self.radius, METHODS[self.method])))
        filled = np.stack([self._filled(part, mask) for part in cv2.split(pixels)], axis=2)
        return np.where(mask[:, :, None] > 0, filled, pixels)

    def _filled(self, part: Pixels, mask: Pixels) -> Pixels:
        """Fill one channel: OpenCV takes no other dtype than uint8 in colour, and float32 only as levels of 255."""
        scale = np.float32(255 if part.dtype.kind == "f" else 1)
        levels = part * scale if part.dtype.kind == "f" else part
        return (np.asarray(cv2.inpaint(levels, mask, self.radius, METHODS[self.method])) / scale).astype(part.dtype)
