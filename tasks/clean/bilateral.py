"""Bilateral: a blur that stops at edges."""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from tasks.clean.odd_side import OddSide
from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, with_channels
from tasks.operation import Filter


class Bilateral(Filter):
    """Blur without crossing edges.

    Each pixel becomes a mean of those in a disk of ``diameter`` pixels (odd, 1 to 255), weighted by Gaussians of
    their distance (``sigma_space``, in pixels) and of their difference in value (``sigma_color``, a fraction of the
    range; differences of the channels are added up, as OpenCV does: scikit-image takes the root of their squares, a
    square window and, for ``sigma_color``, the image's own deviation). The border is mirrored. Every dtype is kept.
    Boxes do not change.

    Source: Tomasi and Manduchi 1998; OpenCV ``bilateralFilter``.
    """

    diameter: OddSide = 9
    sigma_color: Annotated[float, Field(gt=0, le=10)] = 0.1
    sigma_space: Annotated[float, Field(gt=0, le=100)] = 3.0

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if self.diameter == 1:
            return pixels
        values = pixels if pixels.dtype == np.uint8 else fractions(pixels)  # OpenCV takes no 16 bits
        scale = value_range(values.dtype)
        blurred = with_channels(
            np.asarray(cv2.bilateralFilter(values, self.diameter, self.sigma_color * scale, self.sigma_space))
        )
        return blurred if blurred.dtype == pixels.dtype else from_fractions(blurred, pixels.dtype)
