"""Transpose: rows become columns."""

from __future__ import annotations

from typing import Any, ClassVar

from tasks.image.geometry import Matrix, Size, matrix
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params, Probability, RandomGeometric


class Transpose(RandomGeometric):
    """Exchange rows and columns.

    Happens with probability ``p`` (0.5); width and height change places. Pixels of every dtype are copied, never
    resampled; boxes go with them.

    Source: NumPy ``transpose``, Albumentations ``Transpose``.
    """

    exact: ClassVar[bool] = True

    p: Probability = 0.5

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {}

    def canvas(self, size: Size, **params: Any) -> Size:
        return Size(size.height, size.width)

    def fixed_size(self, size: Size | None) -> Size | None:
        return size if size is not None and size.width == size.height else None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        return matrix([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
