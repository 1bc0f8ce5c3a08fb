"""Grid mask: squares missing in a regular grid."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.image.values import from_fractions
from tasks.operation import Fraction, Params, RandomFilter, Range, within


class GridMask(RandomFilter):
    """Hide the squares of a grid.

    The grid's ``unit`` is a fraction of the short side (0.01 to 1; a number, or [low, high] to draw from); of each unit
    a square with sides of 1 - ``ratio`` becomes ``fill``, a fraction of the range. Where the grid begins is drawn.
    Every dtype is kept. Boxes stay, also where they are covered.

    Source: Chen et al. 2020, "GridMask data augmentation" (which turns the grid too); Albumentations ``GridDropout``.
    """

    unit: Annotated[Range, within(0.01, 1)] = Range(0.2, 0.5)
    ratio: Fraction = 0.5
    fill: Fraction = 0.0

    def draw(self, rng: Generator, sample: Sample) -> Params:
        unit = max(1, round(rng.uniform(*self.unit) * min(sample.size)))
        return {"unit": unit, "x": int(rng.integers(unit)), "y": int(rng.integers(unit))}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        height, width = pixels.shape[:2]
        hidden = round(params["unit"] * (1 - self.ratio))
        across = (np.arange(width) + params["x"]) % params["unit"] < hidden
        down = (np.arange(height) + params["y"]) % params["unit"] < hidden
        made = pixels.copy()
        made[across & down[:, None]] = from_fractions(np.array(self.fill), pixels.dtype)
        return made
