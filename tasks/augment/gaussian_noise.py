"""Gaussian noise: of the sensor, the same in dark and light."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np

from tasks.augment.seeded import Seeded, field
from tasks.augment.shades import added
from tasks.image.sample import Pixels
from tasks.operation import Range, within


class GaussianNoise(Seeded):
    """Add Gaussian noise.

    ``std`` (0 to 1, a fraction of the range; a number, or [low, high] to draw from) is its standard deviation; every
    value of every channel gets its own. Integers are rounded and clipped to their range, float32 is not clipped. Boxes
    do not change.

    Source: Albumentations ``GaussNoise``, scikit-image ``util.random_noise`` (whose ``var`` is the square).
    """

    shorthand: ClassVar[str | None] = "std"

    std: Annotated[Range, within(0, 1)] = Range(0.01, 0.05)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        noise = field(params["seed"]).standard_normal(pixels.shape, dtype=np.float32)
        return added(pixels, noise * np.float32(params["std"]))
