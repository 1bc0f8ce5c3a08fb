"""Retinex: reflectance without illumination."""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.image.geometry import Size
from tasks.image.render import resize
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions
from tasks.operation import Filter, Range
from tasks.standardize.difference_of_gaussians import blurred
from tasks.standardize.percentiles import Percentiles, percentiles
from tasks.standardize.stretch import stretched

WIDE = 8.0  # px: a wider blur is done on an image that is shrunk until it is this wide
FLAT = 1e-4

Sigma = Annotated[float, Field(gt=0, le=10_000)]


class Retinex(Filter):
    """Even out the light: the logarithm of each value against that of its surroundings.

    Surroundings are Gaussian blurs of the ``sigmas`` (above 0, to 10000 px): one makes single-scale retinex, several
    are averaged. Logarithms are of 1 + 255 v, v as a fraction of the range. The values between the two ``percentiles``
    (0 to 100) of all channels are then stretched to the whole range and the rest clipped, in float32 too. Flat images
    stay as they are. Blurs wider than 8 px are made on an image shrunk by area (within 0.01 of the range).
    Every dtype is kept; negative float32 values count as 0. Boxes do not change.

    Source: Jobson, Rahman and Woodell 1997, "A multiscale retinex" (its gain and offset fit one camera; percentiles
    instead, and no colour restoration).
    """

    sigmas: Annotated[tuple[Sigma, ...], Field(min_length=1, max_length=8)] = (15.0, 80.0, 250.0)
    percentiles: Percentiles = Range(1, 99)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        values = 1 + 255 * np.maximum(fractions(pixels), 0)
        around = sum(np.log(_surroundings(values, sigma)) for sigma in self.sigmas) / len(self.sigmas)
        reflectance = np.log(values) - around
        low, high = percentiles(reflectance, self.percentiles, "image")
        if high[0] - low[0] < FLAT:
            return pixels
        return from_fractions(stretched(reflectance, low, high), pixels.dtype)


def _surroundings(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    height, width = values.shape[:2]
    factor = max(1.0, sigma / WIDE)
    small = resize(values, Size(max(1, round(width / factor)), max(1, round(height / factor))), "area")
    return resize(blurred(small, sigma / factor, cv2.BORDER_REFLECT), Size(width, height), "linear")
