"""Wiener: the local mean, as far as the local variance is noise."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import cv2
import numpy as np
from pydantic import Field

from tasks.clean.odd_side import OddSide
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, with_channels
from tasks.operation import Filter


class Wiener(Filter):
    """Remove noise by a Wiener filter that adapts to each place.

    Where the variance in a window of ``size`` px (odd) is not above the noise's, a pixel becomes the window's mean;
    the further it is above, the more of the pixel is kept. ``sigma`` is the noise's standard deviation as a
    fraction of the range, or ``estimated``: for each channel the root of the mean of all local variances, as SciPy
    does. 0 changes nothing. The border is mirrored (SciPy's is black). Every dtype is kept. Boxes do not change.

    Source: Lim 1990, "Two-Dimensional Signal and Image Processing"; SciPy ``signal.wiener``, MATLAB ``wiener2``.
    """

    size: OddSide = 5
    sigma: Annotated[float, Field(ge=0, le=1)] | Literal["estimated"] = "estimated"

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        values = fractions(pixels).astype(np.float64)
        mean = self._mean(values)
        variance = np.maximum(self._mean(values * values) - mean * mean, 0.0)
        noise = variance.mean(axis=(0, 1)) if self.sigma == "estimated" else self.sigma**2
        kept = np.maximum(variance - noise, 0.0) / np.maximum(np.maximum(variance, noise), np.finfo(float).tiny)
        return from_fractions(mean + kept * (values - mean), pixels.dtype)

    def _mean(self, values: Pixels) -> Pixels:
        blurred = cv2.blur(values, (self.size, self.size), borderType=cv2.BORDER_REFLECT_101)
        return with_channels(np.asarray(blurred))
