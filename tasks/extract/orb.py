"""Orb: binary descriptors of key points."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extract.key_points import KeyPoints

BITS = 256
LEAST = 63  # px: within 31 px of the border there are no key points


class Orb(KeyPoints):
    """Describe an image by its ORB key points: their number and a summary of their binary descriptors.

    The ``features`` strongest at most are taken. ``pooling: mean_std`` gives the mean and the standard deviation of
    each of the 256 bits; ``top`` gives the bits of the ``top`` strongest key points. Without key points, and for what
    is missing, these are zeros: an image needs 63 px a side, since none lie within 31 px of the border. Gray is
    Rec. 601 at 8 bits, float32 clipped, so every dtype gives the same. Boxes play no part.

    Source: Rublee et al. 2011; OpenCV ``ORB``.
    """

    def length(self) -> int:
        return BITS

    def describe(self, gray: NDArray[np.uint8]) -> tuple[Any, NDArray[Any]]:
        if min(gray.shape) >= LEAST:
            points, descriptors = cv2.ORB.create(self.features).detectAndCompute(gray, None)
            if points:
                return points, np.unpackbits(np.asarray(descriptors), axis=1)
        return (), np.zeros((0, BITS))
