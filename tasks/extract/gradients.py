"""Gradients of an image's luma, and edges as gray images: what the edge filters share."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.image.values import from_fractions, luma
from tasks.operation import Filter

Values = NDArray[np.float32]

DIFFERENCE = np.array([-1.0, 0.0, 1.0])
SOBEL = np.array([1.0, 2.0, 1.0]) / 4
SCHARR = np.array([3.0, 10.0, 3.0]) / 16
PREWITT = np.array([1.0, 1.0, 1.0]) / 3


class Edges(Filter):
    """A filter that makes a gray image of edges."""

    def fixed_channels(self, channels: int | None) -> int | None:
        return 1


def gradient(pixels: Pixels, smoothing: NDArray[np.float64]) -> tuple[Values, Values]:
    """Give the differences of the luma to the right and down, smoothed across, H x W: -1 to 1 for the full range."""
    gray, weights = luma(pixels), smoothing / value_range(pixels.dtype)
    x = cv2.sepFilter2D(gray, cv2.CV_32F, DIFFERENCE, weights, borderType=cv2.BORDER_REFLECT)
    y = cv2.sepFilter2D(gray, cv2.CV_32F, weights, DIFFERENCE, borderType=cv2.BORDER_REFLECT)
    return np.asarray(x), np.asarray(y)


def magnitude(x: Values, y: Values) -> Values:
    """Give the root of the mean of two squared differences, as scikit-image: 0 to 1.

    By NumPy: ``cv2.magnitude`` rounds differently with the address that its input happens to lie at.
    """
    return np.asarray(np.sqrt((x * x + y * y) * np.float32(0.5)))


def edges(values: Values, dtype: np.dtype[Any]) -> Pixels:
    """Give H x W fractions as a gray image."""
    return from_fractions(values[:, :, None], dtype)
