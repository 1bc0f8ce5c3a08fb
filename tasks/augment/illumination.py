"""Illumination: lit from one side."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from tasks.augment.shades import multiplied
from tasks.image.sample import Pixels
from tasks.operation import RandomFilter, Range, Ranged, within


class Illumination(Ranged, RandomFilter):
    """Light the image from one side.

    Values are multiplied by a gradient that goes from 1 - ``strength`` (0 to 1) at one corner or side, through 1 in the
    middle, to 1 + strength at the other; it grows in the direction ``degrees`` (counter-clockwise from the right; -360
    to 360). Each is a number, or [low, high] to draw from. Integers are rounded and clipped to their range, float32 is
    not clipped. Boxes do not change.

    Source: Albumentations ``Illumination`` (``mode: linear``).
    """

    strength: Annotated[Range, within(0, 1)] = Range(0.05, 0.3)
    degrees: Annotated[Range, within(-360, 360)] = Range(0, 360)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        height, width = pixels.shape[:2]
        c, s = math.cos(math.radians(params["degrees"])), math.sin(math.radians(params["degrees"]))
        reach = (abs(c) * width + abs(s) * height) / 2
        across = c * (np.arange(width) + 0.5 - width / 2) / reach
        down = -s * (np.arange(height) + 0.5 - height / 2) / reach
        return multiplied(pixels, (1 + params["strength"] * (across + down[:, None])).astype(np.float32))
