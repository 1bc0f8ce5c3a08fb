"""Laplacian of gaussian: blobs and edges of one size."""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from tasks.extract.gradients import Edges, edges
from tasks.image.gaussian import gaussian_kernels
from tasks.image.sample import Pixels
from tasks.image.values import fractions, luma


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
        smooth, _, second = gaussian_kernels(self.sigma)
        across = cv2.sepFilter2D(gray, cv2.CV_32F, second, smooth, borderType=cv2.BORDER_REFLECT)
        down = cv2.sepFilter2D(gray, cv2.CV_32F, smooth, second, borderType=cv2.BORDER_REFLECT)
        curvature = (np.asarray(across) + np.asarray(down)) * np.float32(self.sigma**2)
        return edges(np.abs(curvature), pixels.dtype)
