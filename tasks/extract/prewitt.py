"""Prewitt: the steepness of each place, evenly smoothed."""

from __future__ import annotations

from typing import Any

from tasks.extract.gradients import PREWITT, Edges, edges, gradient, magnitude
from tasks.image.sample import Pixels


class Prewitt(Edges):
    """Make an image of how steep each place is, by Prewitt's operator.

    The result is gray: the root of the mean of the squared differences across and down of the luma (Rec. 601), over
    two pixels, smoothed by (1, 1, 1) / 3; 0 to 1 of the range. OpenCV's own do not divide: there the values are
    several times greater. The border is mirrored. Every dtype is kept, within 1 level of scikit-image's. Boxes do
    not change.

    Source: Prewitt 1970; scikit-image ``filters.prewitt``.
    """

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return edges(magnitude(*gradient(pixels, PREWITT)), pixels.dtype)
