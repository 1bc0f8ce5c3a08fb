"""Zernike moments: shape in a disk, whatever its rotation."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.extract.planes import gray
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature


class ZernikeMoments(Feature):
    """Describe shape by the magnitudes of Zernike moments, which rotation does not change.

    They are taken of the gray values (Rec. 601; below 0 counts as 0), divided by their sum, in a disk about their
    centre of mass: its ``radius`` is a fraction (above 0, up to 2) of the image's short side, at least 1 px. ``degree``
    (0 to 20) is the highest; degree 8 gives 25 components, named ``degree.repetition``. An image without any light is
    zeros. Every dtype gives the same, to rounding. Boxes play no part.

    Source: Teague 1980; mahotas ``features.zernike_moments`` (whose radius is in pixels).
    """

    degree: Annotated[int, Field(ge=0, le=20)] = 8
    radius: Annotated[float, Field(gt=0, le=2)] = 0.5

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        moments = _moments(np.maximum(gray(pixels), 0).astype(np.float64), self.radius, self.degree)
        found = (_polynomials(self.degree) * moments).sum(axis=(1, 2))
        return np.asarray(np.abs(found), dtype=np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        return [f"{n}.{m}" for n, m in _indices(self.degree)]


def _indices(degree: int) -> list[tuple[int, int]]:
    """Give each degree with its repetitions."""
    return [(n, m) for n in range(degree + 1) for m in range(n % 2, n + 1, 2)]


def _moments(light: NDArray[np.float64], radius: float, degree: int) -> NDArray[np.float64]:
    """Give the sums of x^p y^q over the shares of light in the disk, x and y in radii from the centre of mass.

    Every Zernike polynomial is a sum of these. No products of matrices: their last bit depends on BLAS's threads.
    """
    total = float(light.sum())
    if total == 0:
        return np.zeros((degree + 1, degree + 1))
    height, width = light.shape
    unit = max(1.0, radius * min(width, height))
    x, y = (
        (np.arange(side) - float((light.sum(axis=axis) * np.arange(side)).sum()) / total) / unit
        for axis, side in ((0, width), (1, height))
    )
    inside = np.where(x**2 + y[:, None] ** 2 <= 1, light, 0)
    shares = inside / max(float(inside.sum()), np.finfo(np.float64).tiny)
    rows = np.stack([(shares * x**p).sum(axis=1) for p in range(degree + 1)])
    return np.stack([(rows * y**q).sum(axis=1) for q in range(degree + 1)], axis=1)


@lru_cache(maxsize=8)
def _polynomials(degree: int) -> NDArray[np.complex128]:
    """Give (n + 1) / pi times each Zernike polynomial as factors of x^p y^q: one row a polynomial."""
    indices = _indices(degree)
    factors = np.zeros((len(indices), degree + 1, degree + 1), dtype=np.complex128)
    for row, (n, m) in enumerate(indices):
        for j, radial in enumerate(_radial(n, m)):  # r^(m + 2j) e^(im angle) = (x + iy)^(m + j) (x - iy)^j
            for k, one in enumerate(_binomial(m + j, 1j)):
                for h, other in enumerate(_binomial(j, -1j)):
                    factors[row, m + 2 * j - k - h, k + h] += (n + 1) / math.pi * radial * one * other
    return factors


def _binomial(power: int, unit: complex) -> list[complex]:
    """Give the factors of x^(power - k) y^k in (x + unit y)^power."""
    return [math.comb(power, k) * unit**k for k in range(power + 1)]


def _radial(n: int, m: int) -> list[float]:
    """Give the factors of r^m, r^(m + 2), ... r^n in Zernike's radial polynomial."""
    factorial = math.factorial
    half, rest = (n + m) // 2, (n - m) // 2
    return [
        (-1) ** k * factorial(n - k) / (factorial(k) * factorial(half - k) * factorial(rest - k))
        for k in range(rest, -1, -1)
    ]
