"""Shi-Tomasi: corners that are good to track."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.extract.corners import Structured


class ShiTomasi(Structured):
    """Describe corners found by Shi and Tomasi: their number, density and strongest places.

    The response is the smaller eigenvalue of the structure tensor of Sobel gradients, averaged by a Gaussian of
    ``sigma`` pixels. Corners are the greatest within ``distance`` pixels, above ``threshold`` (a fraction) of the
    strongest. Density is corners a pixel; the ``top`` strongest stand with x and y as fractions of the sides and their
    strength as a fraction of the first's; what is missing is zeros. Gray is Rec. 601 at 16 bits, float32 clipped, so
    every dtype gives the same. Boxes play no part.

    Source: Shi and Tomasi 1994; scikit-image ``feature.corner_shi_tomasi``, away from the border, which is mirrored
    here.
    """

    def response(self, xx: NDArray[Any], xy: NDArray[Any], yy: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray((xx + yy - np.sqrt((xx - yy) ** 2 + 4 * xy * xy)) / 2)
