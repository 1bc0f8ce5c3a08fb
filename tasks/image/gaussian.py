"""A Gaussian and its derivatives as kernels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TRUNCATE = 4  # sigmas, as SciPy and scikit-image

Kernel = NDArray[np.float64]


class Kernels(NamedTuple):
    """A Gaussian of sum 1 and its first two derivatives, for a correlation along one axis."""

    smooth: Kernel
    first: Kernel
    second: Kernel


def gaussian_kernels(sigma: float, truncate: float = TRUNCATE) -> Kernels:
    """Give the kernels as SciPy samples them; but the second is balanced, so that a flat image has no curvature."""
    reach = math.floor(truncate * sigma + 0.5)
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    smooth = np.exp(-x * x / (2 * sigma**2))
    smooth /= smooth.sum()
    second = (x * x / sigma**2 - 1) / sigma**2 * smooth
    return Kernels(smooth, x / sigma**2 * smooth, second - second.sum() * smooth)
