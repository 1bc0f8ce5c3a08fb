"""How strong an image's noise is: what the denoisers and the check of noise go by."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

DETAIL = np.array([-0.12940952255092145, -0.22414386804185735, 0.836516303737469, -0.48296291314469025])
NOTHING = 1e-6  # of the range: what rounding leaves of the details of a flat area
NORMAL = 0.6744897501960817  # the median of the absolute values of a standard normal distribution


def noise_of(values: NDArray[np.float32]) -> list[float]:
    """Give the standard deviation of the noise in each channel of H x W x C fractions of the range.

    The median absolute diagonal detail of the finest wavelet (Daubechies 2) over that of a normal distribution;
    details of 0 (saturated, painted over) do not count. 0 where there are no others.

    Source: Donoho and Johnstone 1994; scikit-image ``restoration.estimate_sigma``.
    """
    grown = cv2.copyMakeBorder(values, 2, 3, 2, 3, cv2.BORDER_REFLECT)
    details = cv2.sepFilter2D(grown, cv2.CV_32F, DETAIL, DETAIL, anchor=(0, 0))
    height, width = values.shape[:2]
    return [_deviation(channel[: height + 2 : 2, : width + 2 : 2]) for channel in cv2.split(details)]


def _deviation(details: NDArray[Any]) -> float:
    sizes = np.abs(details)
    sizes = sizes[sizes > NOTHING]
    return float(np.median(sizes)) / NORMAL if sizes.size else 0.0
