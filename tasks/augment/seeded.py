"""Seeded: random fields, of which only the seed is drawn."""

from __future__ import annotations

import numpy as np

from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params, RandomFilter, Ranged

SEEDS = 1 << 53  # whole numbers that JSON readers keep


class Seeded(Ranged, RandomFilter):
    """Makes an image of an image by a random field: ``seed`` is drawn beside the ranges, and ``field`` expands it."""

    @property
    def is_random(self) -> bool:
        return True

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {**super().draw(rng, sample), "seed": int(rng.integers(SEEDS))}


def field(seed: int) -> Generator:
    """Give the generator of a field's values."""
    return np.random.Generator(np.random.Philox(key=seed))
