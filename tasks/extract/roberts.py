"""Roberts: the steepness of each place, from four pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from tasks.extract.gradients import Edges, edges, magnitude
from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.image.values import luma

DIAGONAL = np.array([[-1.0, 0.0], [0.0, 1.0]])


class Roberts(Edges):
    """Make an image of how steep each place is, by Roberts' cross.

    The result is gray: the root of the mean of the squared differences along both diagonals of the luma (Rec. 601),
    between each pixel and those below and to the right; 0 to 1 of the range. The finest of the edge operators, and
    the most sensitive to noise. The border is mirrored. Every dtype is kept, within 1 level of scikit-image's.
    Boxes do not change.

    Source: Roberts 1963; scikit-image ``filters.roberts``.
    """

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        gray, scale = luma(pixels), 1 / value_range(pixels.dtype)
        falling, rising = (
            cv2.filter2D(gray, cv2.CV_32F, kernel * scale, anchor=(0, 0), borderType=cv2.BORDER_REFLECT)
            for kernel in (DIAGONAL, DIAGONAL[:, ::-1].copy())
        )
        return edges(magnitude(np.asarray(falling), np.asarray(rising)), pixels.dtype)
