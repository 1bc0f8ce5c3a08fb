"""How bright pixels look, and quantiles of it, for the checks that compare with CleanVision."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.render import Pixels
from tasks.image.values import fractions

WEIGHTS = np.array([[0.241, 0.691, 0.068]], dtype=np.float32)
BINS = 1 << 16


def brightness(pixels: Pixels) -> NDArray[np.float32]:
    """Give sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2), H x W, 0 to 1; the value itself for gray.

    Source: Finley 2006, "HSP color model", as CleanVision uses it.
    """
    values = fractions(pixels)
    if pixels.shape[2] == 1:
        return values[:, :, 0]
    return np.asarray(cv2.sqrt(cv2.transform(cv2.multiply(values, values), WEIGHTS)))


def quantile(values: NDArray[np.float32], share: float) -> float:
    """Give a quantile of H x W values from 0 to 1, to 1/131072: counted in 65,536 bins, interpolated as NumPy does."""
    numbers = (np.clip(values, 0.0, 1.0) * np.float32(BINS - 1) + np.float32(0.5)).astype(np.uint16)
    below = np.cumsum(np.bincount(numbers.ravel(), minlength=BINS))
    rank = share * (numbers.size - 1)
    first = int(rank)
    low, high = np.searchsorted(below, [first, min(first + 1, numbers.size - 1)], side="right").tolist()
    return float((low + (high - low) * (rank - first)) / (BINS - 1))
