"""Convert colour: from sRGB or gray to another space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import cv2
import numpy as np

from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, luma, with_channels
from tasks.operation import Filter

HSV = np.array([[0, 0, 0], [360, 1, 1]], dtype=np.float32)  # what stands at 0 and at 1 of the range
LAB = np.array([[0, -128, -128], [100, 127, 127]], dtype=np.float32)


class ConvertColor(Filter):
    """Convert sRGB or gray images to a colour space.

    ``space``: ``rgb`` repeats gray three times and leaves colour as it is; ``gray`` is Rec. 601 luma; ``hsv``, ``lab``
    (CIE L*a*b*, D65) and ``ycrcb`` (Rec. 601, full range) have three channels. Each channel is a fraction of the
    dtype's range: hue / 360, saturation, value; L / 100, (a + 128) / 255, (b + 128) / 255; luma and chroma around 0.5.
    So every dtype holds the same colours. Boxes do not change.

    Source: scikit-image ``color``; OpenCV's 8-bit scaling, except that hue takes the whole range.
    """

    example: ClassVar[Mapping[str, Any]] = {"space": "rgb"}

    space: Literal["rgb", "gray", "hsv", "lab", "ycrcb"]

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if self.space == "gray":
            return with_channels(luma(pixels))
        rgb = pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
        if self.space == "rgb":
            return rgb
        if self.space == "ycrcb":
            return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))
        values = np.clip(fractions(rgb), 0.0, 1.0)
        if self.space == "hsv":
            converted, low, high = cv2.cvtColor(values, cv2.COLOR_RGB2HSV), HSV[0], HSV[1]
        else:
            converted, low, high = cv2.cvtColor(values, cv2.COLOR_RGB2Lab), LAB[0], LAB[1]
        return from_fractions((np.asarray(converted) - low) / (high - low), pixels.dtype)

    def fixed_channels(self, channels: int | None) -> int | None:
        return 1 if self.space == "gray" else 3
