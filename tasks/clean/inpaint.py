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
        parts = [pixels] if pixels.dtype == np.uint8 else cv2.split(pixels)  # OpenCV takes no other dtype in colour
        filled = [cv2.inpaint(part, mask, self.radius, METHODS[self.method]) for part in parts]
        return with_channels(np.asarray(filled[0] if len(filled) == 1 else cv2.merge(filled)))
