"""How an image curves at a scale: what the filters that look for ridges go by."""

from __future__ import annotations

import math
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.image.gaussian import gaussian_kernels

TRUNCATE = 6  # sigmas: a second derivative reaches farther than its Gaussian

Scales = Annotated[tuple[Annotated[float, Field(ge=0.5, le=50)], ...], Field(min_length=1, max_length=16)]
Values = NDArray[np.float32]


def curvatures(gray: Values, sigma: float) -> tuple[Values, Values]:
    """Give the eigenvalues of the Hessian of H x W values after a Gaussian: the higher, and the lower ones.

    Across a dark line the higher one is great; across a bright one, the lower one is far below 0.
    """
    smooth, first, _ = gaussian_kernels(sigma / math.sqrt(2), TRUNCATE)  # derived twice, as scikit-image: less aliasing
    twice, once, never = np.convolve(first, first), np.convolve(first, smooth), np.convolve(smooth, smooth)
    xx, xy, yy = (
        np.asarray(cv2.sepFilter2D(gray, cv2.CV_32F, across, down, borderType=cv2.BORDER_REFLECT), np.float32)
        for across, down in ((twice, never), (once, once), (never, twice))
    )
    mean, root = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return np.asarray(mean + root, np.float32), np.asarray(mean - root, np.float32)
