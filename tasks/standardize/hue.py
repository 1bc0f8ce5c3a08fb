"""Hue: other colours, as light and as strong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np

from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions
from tasks.operation import RandomFilter, Range, Ranged, within


class Hue(Ranged, RandomFilter):
    """Turn all colours around the colour circle.

    ``hue`` (-0.5 to 0.5; a number, or [low, high] to draw from) is a fraction of the circle, so 1/3 makes green of red;
    saturation and value (HSV) stay. Gray images stay as they are. Every dtype is kept; float32 is clipped to 0..1.
    Boxes do not change.

    Source: torchvision ``adjust_hue``.
    """

    shorthand: ClassVar[str | None] = "hue"
    example: ClassVar[Mapping[str, Any]] = {"hue": 0.1}

    hue: Annotated[Range, within(-0.5, 0.5)] = Range(-0.05, 0.05)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if pixels.shape[2] == 1:
            return pixels
        colour = cv2.cvtColor(np.clip(fractions(pixels), 0.0, 1.0), cv2.COLOR_RGB2HSV)
        colour[:, :, 0] = (colour[:, :, 0] + np.float32(360 * params["hue"])) % np.float32(360)
        return from_fractions(np.asarray(cv2.cvtColor(colour, cv2.COLOR_HSV2RGB)), pixels.dtype)
