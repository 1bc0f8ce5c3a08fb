"""Speckle: noise that grows with the light, as in ultrasound and radar."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np

from tasks.augment.seeded import Seeded, field
from tasks.augment.shades import multiplied
from tasks.image.sample import Pixels
from tasks.operation import Range, within


class Speckle(Seeded):
    """Multiply by Gaussian noise around 1.

    ``std`` (0 to 2; a number, or [low, high] to draw from) is the standard deviation of the factor; every value of
    every channel gets its own. Integers are rounded and clipped to their range, float32 is not clipped. Boxes do not
    change.

    Source: scikit-image ``util.random_noise`` (``mode="speckle"``, whose ``var`` is the square).
    """

    shorthand: ClassVar[str | None] = "std"

    std: Annotated[Range, within(0, 2)] = Range(0.05, 0.2)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        noise = field(params["seed"]).standard_normal(pixels.shape, dtype=np.float32)
        return multiplied(pixels, 1 + noise * np.float32(params["std"]))
