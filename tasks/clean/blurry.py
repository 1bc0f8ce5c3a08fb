"""Blurry: images that another blur would hardly change."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import Size
from tasks.image.render import resize
from tasks.image.sample import Pixels
from tasks.image.values import as_bytes
from tasks.operation import Fraction, Score

LONG_SIDE = 512
WEIGHTS = np.array([[0.2125, 0.7154, 0.0721]], dtype=np.float32)  # scikit-image's rgb2gray
WINDOW = 11  # px, the length of the re-blur


class Blurry(Score):
    """Reject blurred images.

    The score is 1 minus the re-blur ratio, with the long side reduced to 512 px (smaller images stay as they are): how
    much of the gradients a box blur of 11 px takes away, along the worse axis; 0 (flat or wholly blurred) to 1. An
    image with a score below ``below`` is rejected (``blurry``). Values of every dtype are rounded to 8 bits first.
    Within 0.002 of scikit-image at the same size.

    Source: Crete et al. 2007, "The blur effect"; scikit-image ``measure.blur_effect``.
    """

    reason: ClassVar[str] = "blurry"
    told: ClassVar[str] = "blur score"

    below: Fraction = 0.62

    def score(self, pixels: Pixels) -> float:
        height, width = pixels.shape[:2]
        shrink = min(1.0, LONG_SIDE / max(height, width))
        size = Size(max(1, round(width * shrink)), max(1, round(height * shrink)))
        gray = _gray(as_bytes(resize(pixels, size)))
        return min(_kept(gray, across=True), _kept(gray, across=False))


def _gray(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give H x W gray, not rounded: rounding counts as sharpness in smooth images."""
    values = pixels.astype(np.float32)
    return values[:, :, 0] if pixels.shape[2] == 1 else np.asarray(cv2.transform(values, WEIGHTS))


def _kept(gray: NDArray[np.float32], *, across: bool) -> float:
    """Give the share of the gradients along one axis that another blur along it takes away."""
    window = (WINDOW, 1) if across else (1, WINDOW)
    blurred = cv2.boxFilter(gray, cv2.CV_32F, window, borderType=cv2.BORDER_REFLECT)
    order = (1, 0) if across else (0, 1)
    sharp = np.abs(cv2.Sobel(gray, cv2.CV_32F, *order, ksize=3, borderType=cv2.BORDER_REFLECT))
    soft = np.abs(cv2.Sobel(blurred, cv2.CV_32F, *order, ksize=3, borderType=cv2.BORDER_REFLECT))
    inner = (slice(2, -1), slice(2, -1))  # scikit-image leaves out the border so
    total = cv2.sumElems(sharp[inner])[0]
    lost = cv2.sumElems(cv2.subtract(sharp, cv2.min(sharp, soft))[inner])[0]
    return float(lost / total) if total > 0 else 0.0
