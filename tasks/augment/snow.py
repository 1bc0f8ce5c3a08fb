"""Snow: flakes, large and small."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from tasks.augment.clouds import smooth
from tasks.augment.seeded import Seeded, field
from tasks.augment.shades import mixed
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Fraction, Range, within


class Snow(Seeded):
    """Let it snow.

    ``amount`` (0 to 1; a number, or [low, high] to draw from) says how much of the image flakes cover, about: the
    highest parts of smooth noise, of three sizes up to ``size`` (0.002 to 0.1, a fraction of the short side, the larger
    as often as the smaller). Under them all is mixed with white by ``haze``. Every dtype is kept; integers are rounded.
    Boxes do not change.

    Source: Hendrycks and Dietterich 2019, "Benchmarking neural network robustness"; imgaug ``Snowflakes``.
    """

    amount: Annotated[Range, within(0, 1)] = Range(0.02, 0.1)
    size: Annotated[float, Field(ge=0.002, le=0.1)] = 0.008
    haze: Fraction = 0.15

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        size, rng = Size(pixels.shape[1], pixels.shape[0]), field(params["seed"])
        clear = np.full((size.height, size.width), 1 - self.haze, dtype=np.float32)
        if params["amount"]:
            for sigma in (1.0, 0.6, 0.35):
                noise = smooth(rng, size, max(0.5, sigma * self.size * min(size)))[:, :, 0]
                limit = np.quantile(noise, 1 - params["amount"] / 3)
                clear *= 1 - np.clip((noise - limit) * np.float32(2), 0, 1)
        return mixed(pixels, 1.0, 1 - clear)
