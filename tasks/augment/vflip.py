"""Vertical flip: top becomes bottom."""

from __future__ import annotations

from typing import Any, ClassVar

from tasks.image.geometry import Matrix, Size, matrix
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params, Probability, RandomGeometric


class Vflip(RandomGeometric):
    """Mirror top to bottom.

    Happens with probability ``p`` (0.5). Pixels of every dtype are copied, never resampled; boxes are mirrored.

    Source: torchvision ``RandomVerticalFlip``, Albumentations ``VerticalFlip``.
    """

    exact: ClassVar[bool] = True

    p: Probability = 0.5

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {}

    def matrix(self, size: Size, **params: Any) -> Matrix:
        return matrix([[1.0, 0.0, 0.0], [0.0, -1.0, size.height]])
