"""Zoom blur: the camera zoomed or moved forward."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np

from tasks.augment.shades import stored
from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.operation import RandomFilter, Range, Ranged, within

MOST = 32


class ZoomBlur(Ranged, RandomFilter):
    """Blur away from the center.

    The mean of enlargements about the center by 1 to 1 + ``zoom`` (0, which changes nothing, to 1; a number, or [low,
    high] to draw from): as many as half the pixels that a corner moves, 2 to 32. Every dtype is kept. Boxes do not
    change.

    Source: Hendrycks and Dietterich 2019, "Benchmarking neural network robustness"; Albumentations ``ZoomBlur``.
    """

    shorthand: ClassVar[str | None] = "zoom"

    zoom: Annotated[Range, within(0, 1)] = Range(0.02, 0.1)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        zoom = params["zoom"]
        if not zoom:
            return pixels
        height, width = pixels.shape[:2]
        count = max(2, min(MOST, math.ceil(zoom * math.hypot(height, width) / 4)))
        values = pixels.astype(np.float32)
        total = values.copy()
        for by in np.linspace(0.0, zoom, count)[1:].tolist():
            about = np.array([[1 + by, 0.0, -by * (width - 1) / 2], [0.0, 1 + by, -by * (height - 1) / 2]])
            enlarged = cv2.warpAffine(values, about, (width, height), borderMode=cv2.BORDER_REPLICATE)
            total += np.asarray(enlarged).reshape(total.shape)
        return stored(total * np.float32(1 / (count * value_range(pixels.dtype))), pixels.dtype)
