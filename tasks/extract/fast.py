"""Fast: corners by comparing a circle of pixels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.extract.corners import Corners
from tasks.extract.planes import byte_gray
from tasks.image.sample import Pixels

CIRCLES = {
    9: cv2.FAST_FEATURE_DETECTOR_TYPE_9_16,
    7: cv2.FAST_FEATURE_DETECTOR_TYPE_7_12,
    5: cv2.FAST_FEATURE_DETECTOR_TYPE_5_8,
}


class Fast(Corners):
    """Describe corners found by FAST: their number, density and strongest places.

    A corner has ``arc`` neighbours in a row (9 of a circle of 16, 7 of 12, 5 of 8) that are all brighter or all darker
    than it by more than ``threshold``, a fraction of the range (10 of 255 as OpenCV, rounded to 8 bits), and is
    stronger than its eight neighbours (of equals, none is taken). Density is corners a pixel; the ``top`` strongest
    stand with x and y as fractions of the sides and their strength as a fraction of the first's; what is missing is
    zeros. Gray is Rec. 601 at 8 bits, float32 clipped, so every dtype gives the same. Boxes play no part.

    Source: Rosten and Drummond 2006; scikit-image ``feature.corner_fast``.
    """

    threshold: Annotated[float, Field(gt=0, lt=1)] = 10 / 255
    arc: Literal[9, 7, 5] = 9

    def corners(self, pixels: Pixels) -> tuple[NDArray[Any], NDArray[Any]]:
        detector = cv2.FastFeatureDetector.create(round(self.threshold * 255), True, CIRCLES[self.arc])
        found = detector.detect(byte_gray(pixels))
        points = np.array([corner.pt for corner in found]).reshape(-1, 2)
        return points, np.array([corner.response for corner in found])
