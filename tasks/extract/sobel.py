"""Sobel: the steepness of each place, a little smoothed."""

from __future__ import annotations

from typing import Any

from tasks.extract.gradients import SOBEL, Edges, edges, gradient, magnitude
from tasks.image.sample import Pixels


class Sobel(Edges):
    """Make an image of how steep each place is, by Sobel's operator.

    The result is gray: the root of the mean of the squared differences across and down of the luma (Rec. 601), over
    two pixels, smoothed by (1, 2, 1) / 4; 0 to 1 of the range. OpenCV's own do not divide: there the values are
    several times greater. The border is mirrored. Every dtype is kept, within 1 level of scikit-image's. Boxes do
    not change.

    Source: Sobel and Feldman 1968; scikit-image ``filters.sobel``.
    """

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return edges(magnitude(*gradient(pixels, SOBEL)), pixels.dtype)
