"""Rain: streaks, and less light."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tasks.augment.motion_blur import blurred, line
from tasks.augment.seeded import Seeded, field
from tasks.augment.shades import mixed, multiplied
from tasks.image.sample import Pixels
from tasks.operation import Fraction, Range, within

LIGHT = 0.8  # of white, and how much of the pixel a streak covers


class Rain(Seeded):
    """Let it rain.

    ``amount`` (0 to 0.2) is the share of pixels in which a drop begins; each is a light streak, ``length`` long (0.01
    to 0.5, a fraction of the short side), that leans from the vertical by ``degrees`` (-60 to 60, above 0 with its
    lower end to the right). Each is a number, or [low, high] to draw from. The whole image is multiplied by 1 -
    ``darkening`` first. Every dtype is kept; integers are rounded. Boxes do not change.

    Source: Albumentations ``RandomRain``, imgaug ``Rain``; Garg and Nayar 2007, "Vision and rain".
    """

    amount: Annotated[Range, within(0, 0.2)] = Range(0.002, 0.01)
    length: Annotated[Range, within(0.01, 0.5)] = Range(0.05, 0.12)
    degrees: Annotated[Range, within(-60, 60)] = Range(-15, 15)
    darkening: Fraction = 0.15

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        height, width = pixels.shape[:2]
        drops = field(params["seed"]).random((height, width), dtype=np.float32) < params["amount"]
        length = max(1.0, params["length"] * min(height, width))
        kernel = line(length, params["degrees"] - 90) * np.float32(length)
        streaks = blurred(drops[:, :, None].astype(np.float32), kernel)[:, :, 0]
        dark = multiplied(pixels, np.full((height, width), 1 - self.darkening, dtype=np.float32))
        return mixed(dark, LIGHT, np.clip(streaks, 0, 1) * np.float32(LIGHT))
