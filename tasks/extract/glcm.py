"""Glcm: how gray levels stand beside each other."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.extract.planes import LEVELS, deep_gray
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature

Property = Literal[
    "contrast", "dissimilarity", "homogeneity", "asm", "energy", "correlation", "mean", "variance", "entropy"
]
FLAT = 1e-15  # a spread below this is none


class Glcm(Feature):
    """Describe texture by properties of the gray-level co-occurrence matrix.

    Gray values (Rec. 601, float32 clipped) are cut into ``levels`` (2 to 256) equal parts of the range. For each of the
    ``distances`` in pixels and each of the ``angles`` in degrees (counter-clockwise as displayed; scikit-image turns
    the other way), the matrix counts pairs of levels, both ways round where ``symmetric``, and is divided by its sum.
    ``properties`` are contrast, dissimilarity, homogeneity, asm (angular second moment), energy (its root),
    correlation (1 where flat), mean, variance and entropy (natural logarithm). An image too small for an offset has an
    empty matrix. Every dtype gives the same. Boxes play no part.

    Source: Haralick et al. 1973; scikit-image ``feature.graycomatrix`` and ``graycoprops``.
    """

    distances: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Field(min_length=1)] = (1,)
    angles: Annotated[tuple[float, ...], Field(min_length=1)] = (0, 45, 90, 135)
    levels: Annotated[int, Field(ge=2, le=256)] = 32
    symmetric: bool = True
    properties: Annotated[tuple[Property, ...], Field(min_length=1)] = (
        "contrast",
        "dissimilarity",
        "homogeneity",
        "asm",
        "energy",
        "correlation",
    )

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        levels = deep_gray(pixels).astype(np.int32) * self.levels // LEVELS
        matrices = [self._matrix(levels, distance, angle) for distance in self.distances for angle in self.angles]
        return np.array([self._property(name, m) for m in matrices for name in self.properties], dtype=np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        return [
            f"distance_{distance}.angle_{angle:g}.{name}"
            for distance in self.distances
            for angle in self.angles
            for name in self.properties
        ]

    def _matrix(self, levels: NDArray[np.int32], distance: int, angle: float) -> NDArray[np.float64]:
        """Give the share of each pair of levels, the first pixel's in rows."""
        across = round(distance * math.cos(math.radians(angle)))
        down = round(-distance * math.sin(math.radians(angle)))
        height, width = levels.shape
        here = levels[max(0, -down) : max(0, height - down), max(0, -across) : max(0, width - across)]
        there = levels[max(0, down) : max(0, height + down), max(0, across) : max(0, width + across)]
        counts = np.bincount((here * self.levels + there).ravel(), minlength=self.levels**2)
        matrix = counts.reshape(self.levels, self.levels)
        if self.symmetric:
            matrix = matrix + matrix.T
        return np.asarray(matrix / max(1, int(matrix.sum())))

    def _property(self, name: Property, shares: NDArray[np.float64]) -> float:
        first, second = np.ogrid[: self.levels, : self.levels]
        if name == "contrast":
            return float((shares * (first - second) ** 2).sum())
        if name == "dissimilarity":
            return float((shares * np.abs(first - second)).sum())
        if name == "homogeneity":
            return float((shares / (1 + (first - second) ** 2)).sum())
        if name == "asm":
            return float((shares**2).sum())
        if name == "energy":
            return math.sqrt(float((shares**2).sum()))
        if name == "entropy":
            some = shares[shares > 0]
            return float(-(some * np.log(some)).sum())
        mean, other = float((shares * first).sum()), float((shares * second).sum())
        if name == "mean":
            return mean
        variance = float((shares * (first - mean) ** 2).sum())
        if name == "variance":
            return variance
        spread = math.sqrt(variance * float((shares * (second - other) ** 2).sum()))
        return float((shares * (first - mean) * (second - other)).sum()) / spread if spread > FLAT else 1.0
