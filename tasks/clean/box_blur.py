"""Box blur: the mean of a window."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from tasks.clean.odd_side import OddSide
from tasks.image.sample import Pixels
from tasks.image.values import with_channels
from tasks.operation import Filter


class BoxBlur(Filter):
    """Take the mean of a window around each pixel.

    ``size`` is the window's side in pixels, odd, 1 to 255; 1 changes nothing. The border is mirrored without
    repeating the edge. Every dtype is kept: within 1 level of SciPy's, 1e-5 of the range for float32. Boxes do not
    change.

    Source: SciPy ``ndimage.uniform_filter(mode="mirror")``, OpenCV ``blur``.
    """

    size: OddSide = 3

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if self.size == 1:
            return pixels
        return with_channels(np.asarray(cv2.blur(pixels, (self.size, self.size), borderType=cv2.BORDER_REFLECT_101)))
