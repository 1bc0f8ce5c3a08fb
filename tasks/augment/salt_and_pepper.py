"""Salt and pepper: pixels that are all white or all black."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np

from tasks.augment.seeded import Seeded, field
from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.operation import Fraction, Range, within


class SaltAndPepper(Seeded):
    """Make some pixels white and some black.

    ``amount`` (0 to 1; a number, or [low, high] to draw from) is the share of pixels, ``salt`` the share of white among
    them; all channels of a pixel change together. White is the top of the range, 1 for float32; black is 0. Every dtype
    is kept. Boxes do not change.

    Source: Albumentations ``SaltAndPepper``; scikit-image ``util.random_noise`` (``mode="s&p"``, each channel for
    itself).
    """

    shorthand: ClassVar[str | None] = "amount"

    amount: Annotated[Range, within(0, 1)] = Range(0.01, 0.05)
    salt: Fraction = 0.5

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        chance = field(params["seed"]).random(pixels.shape[:2], dtype=np.float32)
        made = pixels.copy()
        made[chance < params["amount"]] = 0
        made[chance < params["amount"] * self.salt] = value_range(pixels.dtype)
        return made
