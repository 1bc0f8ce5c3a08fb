"""Lbp: histograms of local binary patterns."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.extract.planes import deep_gray
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature

Points = Annotated[int, Field(ge=4, le=64)]
Radius = Annotated[float, Field(gt=0, le=64)]
TIE = 1 / 64  # of a 16-bit level: smaller differences are rounding, so a point counts as not darker


class Lbp(Feature):
    """Describe texture by a histogram of local binary patterns.

    Each pixel is compared with ``points`` (4 to 64) neighbours on a circle of ``radius`` pixels (up to 64), linearly
    interpolated; those not darker than it are ones. Lists of both describe several scales, one histogram after the
    other (one number of points stands for all radii). ``method: uniform`` counts the ones of patterns with at most two
    changes around the circle, all others together: points + 2 bins, which rotation does not change.
    ``nri_uniform`` also tells where the ones start: points (points - 1) + 3 bins, 59 for 8 points. Each histogram sums
    to 1. Gray is Rec. 601 at 16 bits, float32 clipped, so every dtype gives the same. The edge is repeated outwards,
    where scikit-image takes zeros. Boxes play no part.

    Source: Ojala et al. 2002, Ahonen et al. 2006; scikit-image ``feature.local_binary_pattern``.
    """

    points: Points | Annotated[tuple[Points, ...], Field(min_length=1)] = 8
    radius: Radius | Annotated[tuple[Radius, ...], Field(min_length=1)] = 1.0
    method: Literal["uniform", "nri_uniform"] = "uniform"

    @model_validator(mode="after")
    def _pairs(self) -> Lbp:
        if isinstance(self.points, tuple) and len(self.points) != len(self._radii()):
            raise ValueError(f"{len(self.points)} numbers of points for {len(self._radii())} radii: give one a radius")
        return self

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        values = deep_gray(pixels).astype(np.float32)
        return np.concatenate([self._histogram(values, points, radius) for points, radius in self._scales()])

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        return [f"radius_{radius:g}.{label}" for points, radius in self._scales() for label in self._labels(points)]

    def _radii(self) -> tuple[float, ...]:
        return self.radius if isinstance(self.radius, tuple) else (self.radius,)

    def _scales(self) -> list[tuple[int, float]]:
        radii = self._radii()
        points = self.points if isinstance(self.points, tuple) else (self.points,) * len(radii)
        return list(zip(points, radii, strict=True))

    def _labels(self, points: int) -> list[str]:
        if self.method == "uniform":
            return [*(f"ones_{ones}" for ones in range(points + 1)), "mixed"]
        turned = [f"ones_{ones}_from_{-turn % points}" for ones in range(1, points) for turn in range(points)]
        return ["ones_0", *turned, f"ones_{points}", "mixed"]

    def _histogram(self, values: NDArray[np.float32], points: int, radius: float) -> NDArray[np.float32]:
        bits = [_not_darker(values, radius, 2 * math.pi * k / points) for k in range(points)]
        ones, starts = np.zeros(values.shape, np.int32), np.zeros(values.shape, np.int32)
        first = np.zeros(values.shape, np.int32)
        for k, bit in enumerate(bits):
            rises = bit > bits[k - 1]
            ones += bit
            starts += rises
            if self.method == "nri_uniform" and k:
                first += rises * np.int32(k)
        uniform = starts <= 1
        if self.method == "uniform":
            labels = np.where(uniform, ones, points + 1)
        else:
            turned = 1 + (ones - 1) * points + (-first) % points
            labels = np.where(ones == 0, 0, np.where(ones == points, points * (points - 1) + 1, turned))
            labels = np.where(uniform, labels, points * (points - 1) + 2)
        counts = np.bincount(labels.ravel(), minlength=len(self._labels(points)))
        return (counts / values.size).astype(np.float32)


def _not_darker(values: NDArray[np.float32], radius: float, angle: float) -> NDArray[np.bool_]:
    """Compare each pixel with the one at ``radius`` and ``angle``, counter-clockwise: by weighted differences."""
    x, y = round(radius * math.cos(angle), 5), round(-radius * math.sin(angle), 5)
    left, top = math.floor(x), math.floor(y)
    across, down = x - left, y - top
    margin = math.ceil(radius) + 1
    padded = cv2.copyMakeBorder(values, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    height, width = values.shape
    difference = np.zeros_like(values)
    for dx, dy, weight in (
        (0, 0, (1 - across) * (1 - down)),
        (1, 0, across * (1 - down)),
        (0, 1, (1 - across) * down),
        (1, 1, across * down),
    ):
        if weight:
            at = margin + top + dy, margin + left + dx
            difference += np.float32(weight) * (padded[at[0] : at[0] + height, at[1] : at[1] + width] - values)
    return np.asarray(difference >= -TIE)
