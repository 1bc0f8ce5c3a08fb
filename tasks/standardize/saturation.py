"""Saturation: more colour or less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np

from tasks.image.sample import Pixels
from tasks.image.values import REC601
from tasks.operation import RandomFilter, Range, Ranged, within


class Saturation(Ranged, RandomFilter):
    """Make colours stronger or weaker.

    Each pixel moves away from its own gray (Rec. 601) by the factor 1 + s; s is ``saturation`` (-1, which is gray, to
    10; a number, or [low, high] to draw from). Gray images stay as they are. Integers are rounded and clipped to their
    range, float32 is not clipped. Boxes do not change.

    Source: torchvision ``adjust_saturation``, Pillow ``ImageEnhance.Color`` (whose factor is 1 + s).
    """

    shorthand: ClassVar[str | None] = "saturation"
    example: ClassVar[Mapping[str, Any]] = {"saturation": 0.5}

    saturation: Annotated[Range, within(-1, 10)] = Range(-0.2, 0.2)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if pixels.shape[2] == 1:
            return pixels
        factor = 1 + params["saturation"]
        weights = factor * np.eye(3) + (1 - factor) * np.array([REC601] * 3)
        return np.asarray(cv2.transform(pixels, weights.astype(np.float32)))
