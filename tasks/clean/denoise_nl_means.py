"""Denoise nl means: the mean of similar patches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.clean.noise import noise_of
from tasks.clean.odd_side import OddSide
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, with_channels
from tasks.operation import Filter, Fraction

H_PER_SIGMA = 1.1  # best on three photographs with noise of 0.05: 31.0 to 34.2 dB, from 26.3; at 0.8, 1.3 to 2 dB less


class DenoiseNlMeans(Filter):
    """Remove noise by non-local means.

    Each pixel becomes a mean of the pixels at most ``distance`` px away (a window of 2 x distance + 1: OpenCV's
    ``searchWindowSize``), weighted by how alike the patches of ``patch`` px (odd) around them are: exp(-d / h^2), d
    the mean squared difference over patch and channels. ``h`` is a fraction of the range, by default 1.1 times
    ``sigma``, the noise's standard deviation as a fraction of the range or ``estimated`` from the image. More is
    removed with a higher ``h``; an image without noise stays as it is. The defaults (5, window of 11) are smaller
    than OpenCV's (7, 21) and scikit-image's (7, 23): a third of the time. The border is mirrored. Every dtype is
    kept; uint8 is done by OpenCV, within 2 levels of the formula, which does the others in about twice the time.
    Boxes do not change.

    Source: Buades et al. 2005; OpenCV ``fastNlMeansDenoising``, scikit-image ``restoration.denoise_nl_means``.
    """

    h: Annotated[float, Field(gt=0, le=1)] | None = None
    patch: OddSide = 5
    distance: Annotated[int, Field(ge=1, le=100)] = 5
    sigma: Fraction | Literal["estimated"] = "estimated"

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        h = self.h if self.h is not None else H_PER_SIGMA * self._noise(pixels)
        if h == 0:
            return pixels
        if pixels.dtype == np.uint8:
            window = 2 * self.distance + 1
            return with_channels(np.asarray(cv2.fastNlMeansDenoising(pixels, None, h * 255, self.patch, window)))
        return from_fractions(self._means(fractions(pixels), h), pixels.dtype)

    def _noise(self, pixels: Pixels) -> float:
        return float(np.mean(noise_of(fractions(pixels)))) if self.sigma == "estimated" else self.sigma

    def _means(self, values: NDArray[np.float32], h: float) -> NDArray[np.float32]:
        """Give the weighted means, one displacement after the other."""
        (height, width), reach, side = values.shape[:2], self.distance, self.patch // 2
        margin = reach + side
        grown = cv2.copyMakeBorder(values, margin, margin, margin, margin, cv2.BORDER_REFLECT_101)
        planes = [np.asarray(plane) for plane in cv2.split(grown)]  # a third of the time of interleaved channels
        center = [plane[reach : reach + height + 2 * side, reach : reach + width + 2 * side] for plane in planes]
        totals, weights = [np.zeros((height, width), np.float32) for _ in planes], np.zeros((height, width), np.float32)
        inside = slice(side, side + height), slice(side, side + width)
        for y in range(2 * reach + 1):
            for x in range(2 * reach + 1):
                there = [plane[y : y + height + 2 * side, x : x + width + 2 * side] for plane in planes]
                squares = sum(np.square(one - other) for one, other in zip(there, center, strict=True))
                patches = np.asarray(cv2.blur(np.asarray(squares), (self.patch, self.patch)))[inside]
                weight = np.exp(patches * np.float32(-1 / (len(planes) * h**2)))
                weights += weight
                for total, one in zip(totals, there, strict=True):
                    total += weight * one[inside]
        return np.stack(totals, axis=2) / weights[:, :, None]
