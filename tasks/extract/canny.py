"""Canny: edges as thin lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.extract.gradients import Edges, edges
from tasks.extract.lines import CannyLines
from tasks.image.sample import Pixels


class Canny(CannyLines, Edges):
    """Make an image of edges as thin lines.

    The result is gray: lines of one pixel at the end of the range (255, 65535, 1) on 0. The luma (Rec. 601, clipped
    to the range) is blurred by a Gaussian of ``sigma`` pixels (0 to 100); lines start where the gradient is above
    ``high`` and go on while it is above ``low``. Both are fractions of the range for the plain sum of Sobel's
    weights, as in scikit-image (0.1 and 0.2 there) and, times 255, in OpenCV. By default they are found for each
    image: 0.67 and 1.33 times the median of the blurred luma. Every dtype is kept, and every dtype gives the same
    edges but for rounding. Boxes do not change.

    Source: Canny 1986; OpenCV ``Canny``, scikit-image ``feature.canny``; the median rule by Rosebrock 2015.
    """

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return edges(self.lines(pixels).astype(np.float32), pixels.dtype)
