"""Grayscale: one channel of three."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np

from tasks.image.sample import Pixels
from tasks.image.values import REC601, with_channels
from tasks.operation import Filter

WEIGHTS = {"rec601": REC601, "rec709": (0.2126, 0.7152, 0.0722), "mean": (1 / 3, 1 / 3, 1 / 3)}


class Grayscale(Filter):
    """Make a gray image of a colour one.

    ``weights`` of red, green and blue: ``rec601`` (0.299, 0.587, 0.114; Pillow, OpenCV), ``rec709`` (0.2126, 0.7152,
    0.0722; within a level of scikit-image) or ``mean``. Every dtype is kept and rounded; gray images stay as they are.
    Boxes do not change.

    Source: scikit-image ``color.rgb2gray``, ITU-R BT.601 and BT.709.
    """

    weights: Literal["rec601", "rec709", "mean"] = "rec601"

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if pixels.shape[2] == 1:
            return pixels
        weights = np.array([WEIGHTS[self.weights]], dtype=np.float32)
        return with_channels(np.asarray(cv2.transform(pixels, weights)))

    def fixed_channels(self, channels: int | None) -> int | None:
        return 1
