"""Frangi: how much each place looks like a vessel."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from tasks.clean.ridges import Scales, curvatures
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, luma
from tasks.operation import Filter

FAINT = 1e-4  # of the range: less curvature is rounding


class Frangi(Filter):
    """Make an image of how much each place looks like a vessel.

    Vessels (wrinkles, roads, rivers) are ``dark`` or ``bright`` ``ridges`` whose half width is about one of
    ``sigmas`` (pixels, 0.5 to 50). The result is gray, 0 to 1 of the range, from the curvatures of the luma (Rec.
    601): high where one is much greater than the other (by ``beta``: lower tells vessels from blobs more strictly)
    and great for this image (above half of the greatest at the first sigma); so it does not compare between images.
    The border is mirrored. Every dtype is kept. Boxes do not change.

    Source: Frangi et al. 1998; scikit-image ``filters.frangi``.
    """

    sigmas: Scales = (1.0, 3.0, 5.0, 7.0, 9.0)
    ridges: Literal["dark", "bright"] = "dark"
    beta: Annotated[float, Field(gt=0, le=10)] = 0.5

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        gray = luma(fractions(pixels)) * np.float32(1 if self.ridges == "dark" else -1)
        strongest, half = np.zeros_like(gray), 0.0
        for sigma in self.sigmas:
            high, low = curvatures(gray, sigma)
            along, across = np.where(high > -low, low, high), np.maximum(high, -low)
            size = np.hypot(high, low)
            half = half or max(float(size.max()) / 2, FAINT)
            line = np.exp(-np.square(along / np.maximum(across, np.float32(1e-10))) / np.float32(2 * self.beta**2))
            line *= 1 - np.exp(-np.square(size / np.float32(half)) / 2)
            np.maximum(strongest, np.where(high > -low, line, 0), out=strongest)
        return from_fractions(strongest[:, :, None], pixels.dtype)

    def fixed_channels(self, channels: int | None) -> int | None:
        return 1
