"""Guided filter: a blur that keeps edges, in a time that does not depend on its radius."""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, with_channels
from tasks.operation import Filter


class GuidedFilter(Filter):
    """Blur without crossing edges, by local linear models of the image.

    In a window of ``radius`` pixels around each pixel (1 to 200), areas whose variance is well below ``epsilon``
    (in squared fractions of the range: 0.01 is a deviation of 0.1) become their mean, and those well above it stay.
    Each channel guides itself. The border is mirrored. 0 as epsilon changes nothing. Every dtype is kept. Boxes do
    not change.

    Source: He et al. 2010, "Guided Image Filtering".
    """

    radius: Annotated[int, Field(ge=1, le=200)] = 4
    epsilon: Annotated[float, Field(ge=0, le=100)] = 0.01

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if self.epsilon == 0:
            return pixels
        values = fractions(pixels).astype(np.float64)
        mean = self._mean(values)
        variance = np.maximum(self._mean(values * values) - mean * mean, 0.0)
        slope = variance / (variance + self.epsilon)
        return from_fractions(self._mean(slope) * values + self._mean((1 - slope) * mean), pixels.dtype)

    def _mean(self, values: Pixels) -> Pixels:
        side = 2 * self.radius + 1
        return with_channels(np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)))
