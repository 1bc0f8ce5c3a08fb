"""Median blur: single wrong pixels go, edges stay."""

from __future__ import annotations

from typing import Any, ClassVar

import cv2
import numpy as np

from tasks.clean.odd_side import OddSide
from tasks.image.sample import Pixels
from tasks.image.values import with_channels
from tasks.operation import Filter

LARGEST_OF_ANY_DTYPE = 5  # px: OpenCV takes larger windows of 8 bits only


class MedianBlur(Filter):
    """Take the median of a window around each pixel.

    ``size`` is the window's side in pixels, odd, 1 to 255; 1 changes nothing. Each channel has its own median; the
    border repeats the edge. Every dtype is kept, and the values are exact. Windows above 5 px of uint16 and float32
    take many times longer than of uint8. Boxes do not change.

    Source: SciPy ``ndimage.median_filter(mode="nearest")``, as scikit-image ``filters.median``.
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "scipy")

    size: OddSide = 3

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if self.size == 1:
            return pixels
        if self.size <= LARGEST_OF_ANY_DTYPE or pixels.dtype == np.uint8:
            return with_channels(np.asarray(cv2.medianBlur(pixels, self.size)))
        from scipy.ndimage import median_filter

        return np.asarray(median_filter(pixels, (self.size, self.size, 1), mode="nearest"))
