"""Sift: histograms of gradients around key points."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extract.key_points import KeyPoints

VALUES = 128
UNIT = 512  # OpenCV's descriptors have this length


class Sift(KeyPoints):
    """Describe an image by its SIFT key points: their number and a summary of their descriptors.

    The ``features`` strongest at most are taken. ``pooling: mean_std`` gives the mean and the standard deviation of
    each of the 128 values of a descriptor; ``top`` gives the descriptors of the ``top`` strongest key points.
    Descriptors have unit length (512 in OpenCV). Without key points, and for what is missing, these are zeros. Gray is
    Rec. 601 at 8 bits, float32 clipped, so every dtype gives the same. Boxes play no part.

    Source: Lowe 2004; OpenCV ``SIFT``.
    """

    def length(self) -> int:
        return VALUES

    def describe(self, gray: NDArray[np.uint8]) -> tuple[Any, NDArray[Any]]:
        points, descriptors = cv2.SIFT.create(self.features).detectAndCompute(gray, None)
        return points, np.asarray(descriptors) / UNIT if points else np.zeros((0, VALUES))
