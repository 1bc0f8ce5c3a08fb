"""Laplace: how much each pixel differs from its four neighbours."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from tasks.extract.gradients import Edges, edges
from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.image.values import luma


class Laplace(Edges):
    """Make an image of how much each pixel differs from its four neighbours.

    The result is gray: the size of the Laplacian, the sum of the four differences of the luma (Rec. 601), without
    its sign, as a fraction of the range; an edge is a double line. The border is mirrored. Every dtype is kept;
    integers are clipped. scikit-image keeps the sign. Boxes do not change.

    Source: scikit-image ``filters.laplace``.
    """

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        scale = 1 / value_range(pixels.dtype)
        values = cv2.Laplacian(luma(pixels), cv2.CV_32F, ksize=1, scale=scale, borderType=cv2.BORDER_REFLECT)
        return edges(np.abs(np.asarray(values)), pixels.dtype)
