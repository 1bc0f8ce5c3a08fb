"""Gaussian blur: less noise and less detail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
from pydantic import Field

from tasks.image.sample import Pixels
from tasks.image.values import with_channels
from tasks.operation import Filter

TRUNCATE = 4  # sigmas, as scikit-image and SciPy


class GaussianBlur(Filter):
    """Blur with a Gaussian.

    ``sigma`` is its standard deviation in pixels, 0 to 100; 0 changes nothing. The border is mirrored without repeating
    the edge. Every dtype is kept: within 1.5 levels of 8 bits, and 2e-5 of the range otherwise, of
    scikit-image's ``mode="mirror"``. Boxes do not change.

    Source: scikit-image ``filters.gaussian``.
    """

    example: ClassVar[Mapping[str, Any]] = {"sigma": 1.5}

    sigma: Annotated[float, Field(ge=0, le=100)]

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        width = 2 * math.floor(TRUNCATE * self.sigma + 0.5) + 1
        if width == 1:
            return pixels
        blurred = cv2.GaussianBlur(pixels, (width, width), self.sigma, borderType=cv2.BORDER_REFLECT_101)
        return with_channels(np.asarray(blurred))
