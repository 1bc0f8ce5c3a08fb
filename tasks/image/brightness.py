"""How bright pixels look, and quantiles of it, for the checks that compare with CleanVision."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.render import Pixels
from tasks.image.values import fractions

WEIGHTS = (0.241, 0.691, 0.068)
BINS = 1 << 16


def brightness(pixels: Pixels) -> NDArray[np.float32]:
    """Give sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2), H x W, 0 to 1; the value itself for gray.

    Source: Finley 2006, "HSP color model", as CleanVision uses it.
    """
    if pixels.shape[2] == 1:
        return fractions(pixels)[:, :, 0]
    if pixels.dtype == np.uint8:
        squares = cv2.LUT(pixels, _squares())
        return np.asarray(cv2.sqrt(cv2.transform(squares, np.ones((1, 3), np.float32))))
    values = fractions(pixels)
    return np.asarray(cv2.sqrt(cv2.transform(cv2.multiply(values, values), np.array([WEIGHTS], np.float32))))


@cache
def _squares() -> NDArray[np.float32]:
    """Give each 8-bit value's weighted square, for each channel."""
    squares = (np.arange(256)[:, None] / 255) ** 2 * np.array(WEIGHTS)
    return np.ascontiguousarray(squares[:, None, :], dtype=np.float32)


def quantile(values: NDArray[Any], share: float) -> float:
    """Give a quantile of H x W values from 0 to 1, to 1/131072: counted in 65,536 bins, interpolated as NumPy does."""
    counts = cv2.calcHist([values], [0], None, [BINS], [-0.5 / (BINS - 1), 1 + 0.5 / (BINS - 1)])
    below = np.cumsum(counts.ravel().astype(np.int64))
    rank = share * (int(below[-1]) - 1)
    first = int(rank)
    low, high = np.searchsorted(below, [first, min(first + 1, int(below[-1]) - 1)], side="right").tolist()
    return float((low + (high - low) * (rank - first)) / (BINS - 1))
