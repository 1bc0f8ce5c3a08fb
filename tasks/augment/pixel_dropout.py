"""Pixel dropout: pixels that are missing."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np

from tasks.augment.seeded import Seeded, field
from tasks.image.sample import Pixels
from tasks.image.values import from_fractions
from tasks.operation import Fraction, Range, within


class PixelDropout(Seeded):
    """Take some pixels away.

    ``amount`` (0 to 1; a number, or [low, high] to draw from) is the share of pixels that become ``fill``, a fraction
    of the range, in all channels. Every dtype is kept. Boxes do not change.

    Source: Albumentations ``PixelDropout``, imgaug ``Dropout``.
    """

    shorthand: ClassVar[str | None] = "amount"

    amount: Annotated[Range, within(0, 1)] = Range(0.01, 0.05)
    fill: Fraction = 0.0

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        made = pixels.copy()
        gone = field(params["seed"]).random(pixels.shape[:2], dtype=np.float32) < params["amount"]
        made[gone] = from_fractions(np.array(self.fill), pixels.dtype)
        return made
