"""Daisy: smoothed gradient histograms on rings, over the whole image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.extract.planes import gray
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature

TRUNCATE = 4  # sigmas, as scikit-image and SciPy
LEAST = 1e-10  # added before dividing by the sum


class Daisy(Feature):
    """Describe an image by the mean and standard deviation of dense DAISY descriptors.

    A descriptor stands every ``step`` pixels: histograms of gradients over ``orientations`` directions, at its centre
    and at ``histograms`` points on each of ``rings`` rings up to ``radius`` pixels, smoothed the more the farther out;
    it sums to 1. The vector is the mean, then the standard deviation of (rings x histograms + 1) x orientations values
    over all places, named ``centre.orientation`` or ``ring.histogram.orientation``. Images smaller than the descriptor
    are mirrored outwards. Gray is Rec. 601 as fractions of the range, float32 not clipped; every dtype gives the same,
    to rounding. Boxes play no part.

    Source: Tola et al. 2010; scikit-image ``feature.daisy`` (``normalization="l1"``).
    """

    step: Annotated[int, Field(ge=1, le=1000)] = 8
    radius: Annotated[int, Field(ge=1, le=500)] = 15
    rings: Annotated[int, Field(ge=1, le=10)] = 3
    histograms: Annotated[int, Field(ge=1, le=36)] = 8
    orientations: Annotated[int, Field(ge=1, le=36)] = 8

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        values = gray(pixels)
        room = [max(0, 2 * self.radius + 1 - side) for side in values.shape]
        if any(room):
            (top, left), (bottom, right) = [n // 2 for n in room], [n - n // 2 for n in room]
            values = np.asarray(cv2.copyMakeBorder(values, top, bottom, left, right, cv2.BORDER_REFLECT))
        votes = self._votes(values)
        smooth = [_smoothed(votes, self.radius * (ring + 1) / (2 * self.rings)) for ring in range(self.rings)]
        height, width = values.shape
        places = [
            smooth[max(0, ring - 1)][
                self.radius + y : height - self.radius + y : self.step,
                self.radius + x : width - self.radius + x : self.step,
            ]
            for ring, x, y in self._points()
        ]
        dense = np.stack(places, axis=2).reshape(-1, len(places) * self.orientations).astype(np.float64) + LEAST
        dense /= dense.sum(axis=1, keepdims=True)
        return np.concatenate([dense.mean(axis=0), dense.std(axis=0)]).astype(np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        points = ["centre", *(f"{ring}.{n}" for ring in range(1, self.rings + 1) for n in range(self.histograms))]
        return [
            f"{statistic}.{point}.{orientation}"
            for statistic in ("mean", "std")
            for point in points
            for orientation in range(self.orientations)
        ]

    def _points(self) -> Iterator[tuple[int, int, int]]:
        """Give ring (0: the centre), x and y of each histogram."""
        yield 0, 0, 0
        for ring in range(1, self.rings + 1):
            for n in range(self.histograms):
                angle, distance = 2 * math.pi * n / self.histograms, self.radius * ring / self.rings
                yield ring, round(distance * math.cos(angle)), round(distance * math.sin(angle))

    def _votes(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give H x W x orientations: gradient magnitude times a circular normal distribution about each direction."""
        x, y = np.zeros_like(values), np.zeros_like(values)
        x[:, :-1], y[:-1] = np.diff(values, axis=1), np.diff(values, axis=0)
        magnitude = np.sqrt(x * x + y * y)
        unit = np.where(magnitude > 0, magnitude, np.float32(1))
        across, down = np.where(magnitude > 0, x / unit, np.float32(1)), y / unit
        sharpness = self.orientations / math.pi
        votes = np.empty((*values.shape, self.orientations), np.float32)
        for n in range(self.orientations):
            angle = 2 * math.pi * n / self.orientations - math.pi
            toward = across * np.float32(sharpness * math.cos(angle)) + down * np.float32(sharpness * math.sin(angle))
            np.multiply(cv2.exp(toward), magnitude, out=votes[:, :, n])
        return votes


def _smoothed(votes: NDArray[np.float32], sigma: float) -> NDArray[Any]:
    width = 2 * math.floor(TRUNCATE * sigma + 0.5) + 1
    smooth = cv2.GaussianBlur(votes, (width, width), sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth).reshape(votes.shape)
