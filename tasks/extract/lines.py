"""Canny's lines: the parameters and the method that the image of edges and the vector share."""

from __future__ import annotations

import math
from typing import Annotated, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.image.sample import Pixels
from tasks.image.values import fractions, luma

TRUNCATE = 4  # sigmas, as scikit-image and SciPy
STEPS = 4000  # of the range, in which OpenCV's 16 bits count gradients
SPREAD = 0.33  # of the median: the thresholds' distance from it

Threshold = Annotated[float, Field(ge=0, le=6)]


class CannyLines(BaseModel):
    """What Canny goes by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sigma: Annotated[float, Field(ge=0, le=100)] = 1.0
    low: Threshold | None = None
    high: Threshold | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("give low and high, or neither: both are then found by the median rule")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"expected low <= high, got {self.low} and {self.high}")
        return self

    def lines(self, pixels: Pixels) -> NDArray[np.bool_]:
        """Say of each pixel, H x W, whether a line runs through it."""
        gray = np.clip(luma(fractions(pixels)), 0.0, 1.0)
        width = 2 * math.floor(TRUNCATE * self.sigma + 0.5) + 1
        if width > 1:
            gray = np.asarray(cv2.GaussianBlur(gray, (width, width), self.sigma, borderType=cv2.BORDER_REFLECT))
        low, high = self._thresholds(gray)
        across, down = (
            np.rint(cv2.Sobel(gray, cv2.CV_32F, x, 1 - x, scale=STEPS, borderType=cv2.BORDER_REFLECT)).astype(np.int16)
            for x in (1, 0)
        )
        return np.asarray(np.asarray(cv2.Canny(across, down, low * STEPS, high * STEPS, L2gradient=True)) > 0)

    def _thresholds(self, gray: NDArray[np.float32]) -> tuple[float, float]:
        if self.low is not None and self.high is not None:
            return self.low, self.high
        median = float(np.median(gray))
        return (1 - SPREAD) * median, (1 + SPREAD) * median
