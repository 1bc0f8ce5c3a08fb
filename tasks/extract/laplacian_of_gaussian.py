"""Laplacian of gaussian: blobs and edges of one size."""

from __future__ import annotations

import math
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from tasks.extract.gradients import Edges, edges
from tasks.image.sample import Pixels
from tasks.image.values import fractions, luma

TRUNCATE = 4  # sigmas, as SciPy


class LaplacianOfGaussian(Edges):
    """Make an image of blobs and edges of one size.

    The result is gray: the Laplacian of the luma (Rec. 601) after a Gaussian of ``sigma`` pixels (0.5 to 100),
    times sigma squared, so that all sizes give alike, without its sign, as a fraction of the range. Blobs with a
    radius of 1.4 sigma give most; edges are double lines. The border is mirrored. Every dtype is kept; integers are
    clipped. SciPy keeps the sign and does not multiply. The catalogue's edge ``log``; ``log`` is the contrast
    curve. Boxes do not change.

    Source: Marr and Hildreth 1980, Lindeberg 1998; SciPy ``ndimage.gaussian_laplace``.
    """

    sigma: Annotated[float, Field(ge=0.5, le=100)] = 2.0

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        gray = luma(fractions(pixels))
        reach = math.floor(TRUNCATE * self.sigma + 0.5)
        x = np.arange(-reach, reach + 1) / self.sigma
        gaussian = np.exp(-x * x / 2)
        gaussian /= gaussian.sum()
        second = (x * x - 1) * gaussian
        across = cv2.sepFilter2D(gray, cv2.CV_32F, second, gaussian, borderType=cv2.BORDER_REFLECT)
        down = cv2.sepFilter2D(gray, cv2.CV_32F, gaussian, second, borderType=cv2.BORDER_REFLECT)
        return edges(np.abs(np.asarray(across) + np.asarray(down)), pixels.dtype)
