"""Zernike moments: shape in a disk, whatever its rotation."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
        mass, place = _disk(np.maximum(gray(pixels), 0), self.radius)
        square = place.real**2 + place.imag**2
        # Every V is a sum of square^j place^m, so these few sums over the pixels are all that is needed.
        turns = place ** np.arange(self.degree + 1)[:, None]
        sums = np.stack([turns @ (mass * square**j) for j in range(self.degree // 2 + 1)])
        moments = [
            (n + 1) / math.pi * sum(factor * sums[j, m] for j, factor in enumerate(_radial(n, m)))
            for n, m in self._indices()
        ]
        return np.abs(moments).astype(np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        return [f"{n}.{m}" for n, m in self._indices()]

    def _indices(self) -> Iterator[tuple[int, int]]:
        return ((n, m) for n in range(self.degree + 1) for m in range(n % 2, n + 1, 2))


def _disk(values: NDArray[np.float32], radius: float) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Give the share and the place x + iy (in radii from the centre of mass) of each bright pixel in the disk."""
    light = values.astype(np.float64)
    total = float(light.sum())
    if total == 0:
        return np.zeros(0), np.zeros(0, np.complex128)
    height, width = light.shape
    x, y = np.arange(width), np.arange(height)
    center = complex(float(light.sum(axis=0) @ x) / total, float(light.sum(axis=1) @ y) / total)
    place = (x + 1j * y[:, None] - center) / max(1.0, radius * min(width, height))
    inside = (place.real**2 + place.imag**2 <= 1) & (light > 0)
    kept = light[inside]
    return kept / max(float(kept.sum()), np.finfo(np.float64).tiny), place[inside]


def _radial(n: int, m: int) -> list[float]:
    """Give the factors of r^m, r^(m + 2), ... r^n in Zernike's radial polynomial."""
    factorial = math.factorial
    half, rest = (n + m) // 2, (n - m) // 2
    return [
        (-1) ** k * factorial(n - k) / (factorial(k) * factorial(half - k) * factorial(rest - k))
        for k in range(rest, -1, -1)
    ]
