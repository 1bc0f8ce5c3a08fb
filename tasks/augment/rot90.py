"""Rot90: quarter turns."""

from __future__ import annotations

from typing import Any, ClassVar

from tasks.image.geometry import Matrix, Size, matrix
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params, Probability, RandomGeometric


class Rot90(RandomGeometric):
    """Turn by one, two or three quarters.

    Happens with probability ``p`` (0.5); the number of quarter turns, counter-clockwise, is then drawn from 1, 2 and 3
    (Albumentations also draws 0). One and three exchange width and height. Pixels of every dtype are copied, never
    resampled; boxes turn with them.

    Source: NumPy ``rot90`` (same sign), Albumentations ``RandomRotate90``.
    """

    exact: ClassVar[bool] = True

    p: Probability = 0.5

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {"turns": int(rng.integers(1, 4))}

    def canvas(self, size: Size, **params: Any) -> Size:
        return size if params["turns"] == 2 else Size(size.height, size.width)

    def fixed_size(self, size: Size | None) -> Size | None:
        return size if size is not None and size.width == size.height else None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        width, height = size
        if params["turns"] == 1:
            return matrix([[0.0, 1.0, 0.0], [-1.0, 0.0, width]])
        if params["turns"] == 2:
            return matrix([[-1.0, 0.0, width], [0.0, -1.0, height]])
        return matrix([[0.0, -1.0, height], [1.0, 0.0, 0.0]])
