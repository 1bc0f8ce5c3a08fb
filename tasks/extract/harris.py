"""Harris: corners where gradients run both ways."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.extract.corners import Structured


class Harris(Structured):
    """Describe corners found by Harris and Stephens: their number, density and strongest places.

    The response is det(A) - ``k`` trace(A)^2 of the structure tensor of Sobel gradients, averaged by a Gaussian of
    ``sigma`` pixels. Corners are the greatest within ``distance`` pixels, above ``threshold`` (a fraction) of the
    strongest. Density is corners a pixel; the ``top`` strongest stand with x and y as fractions of the sides and their
    strength as a fraction of the first's; what is missing is zeros. Gray is Rec. 601 at 16 bits, float32 clipped, so
    every dtype gives the same. Boxes play no part.

    Source: Harris and Stephens 1988; scikit-image ``feature.corner_harris`` (``k`` 0.05), away from the border, which
    is mirrored here.
    """

    k: Annotated[float, Field(ge=0, le=0.25)] = 0.05

    def response(self, xx: NDArray[Any], xy: NDArray[Any], yy: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(xx * yy - xy * xy - self.k * (xx + yy) ** 2)
