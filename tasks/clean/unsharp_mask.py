"""Unsharp mask: more of what a blur takes away."""

from __future__ import annotations

import math
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, with_channels
from tasks.operation import Filter

TRUNCATE = 4  # radii, as scikit-image and SciPy


class UnsharpMask(Filter):
    """Sharpen by adding what a Gaussian blur takes away.

    ``radius`` is the Gaussian's standard deviation in pixels, 0 to 100; ``amount`` says how many times the
    difference is added, 0 to 10; 0 of either changes nothing. The border repeats its pixels mirrored. Every dtype
    is kept: integers are clipped to the range, float32 is not (scikit-image clips it too). Boxes do not change.

    Source: scikit-image ``filters.unsharp_mask``.
    """

    radius: Annotated[float, Field(ge=0, le=100)] = 1.0
    amount: Annotated[float, Field(ge=0, le=10)] = 1.0

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        width = 2 * math.floor(TRUNCATE * self.radius + 0.5) + 1
        if width == 1 or self.amount == 0:
            return pixels
        values = fractions(pixels)
        blurred = cv2.GaussianBlur(values, (width, width), self.radius, borderType=cv2.BORDER_REFLECT)
        sharp = cv2.addWeighted(values, 1 + self.amount, blurred.reshape(values.shape), -self.amount, 0)
        return from_fractions(with_channels(np.asarray(sharp)), pixels.dtype)
