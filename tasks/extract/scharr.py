"""Scharr: the steepness of each place, alike in all directions."""

from __future__ import annotations

from typing import Any

from tasks.extract.gradients import SCHARR, Edges, edges, gradient, magnitude
from tasks.image.sample import Pixels


class Scharr(Edges):
    """Make an image of how steep each place is, by Scharr's operator.

    The result is gray: the root of the mean of the squared differences across and down of the luma (Rec. 601), over
    two pixels, smoothed by (3, 10, 3) / 16, which turns best with the image; 0 to 1 of the range. OpenCV's own do
    not divide: there the values are several times greater. The border is mirrored. Every dtype is kept, within 1
    level of scikit-image's. Boxes do not change.

    Source: Scharr 2000; scikit-image ``filters.scharr``.
    """

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return edges(magnitude(*gradient(pixels, SCHARR)), pixels.dtype)
