"""Shot noise: few photons."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np

from tasks.augment.seeded import Seeded, field
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions
from tasks.operation import Range, within


class ShotNoise(Seeded):
    """Count photons: noise that grows with the root of the light.

    ``photons`` (1 to 100,000; a number, or [low, high] to draw from) is how many make the top of the range; each value
    becomes a Poisson count of its own mean, divided by it. Integers are rounded and clipped to their range; float32 is
    not clipped above, and negative values become 0. Boxes do not change.

    Source: Hendrycks and Dietterich 2019, "Benchmarking neural network robustness" (60 to 3 photons); scikit-image
    ``util.random_noise`` (``mode="poisson"``).
    """

    shorthand: ClassVar[str | None] = "photons"

    photons: Annotated[Range, within(1, 100_000)] = Range(30, 300)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        mean = np.maximum(fractions(pixels), 0) * np.float32(params["photons"])
        return from_fractions(field(params["seed"]).poisson(mean) / params["photons"], pixels.dtype)
