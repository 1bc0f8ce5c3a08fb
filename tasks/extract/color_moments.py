"""Colour moments: mean, spread and skewness of each channel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extract.planes import CHANNELS, Space, colors
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature


class ColorMoments(Feature):
    """Describe colour by three moments of each channel.

    They are the mean, the standard deviation and the cube root of the third central moment, all in units of the
    channel. ``space`` is rgb, gray, hsv, lab or ycrcb, each channel from 0 to 1 as ``convert_color`` scales it (hue is
    not treated as an angle). Gray images count as gray colours, so the length is the same. Values are taken at 16
    bits, float32 clipped, so every dtype gives the same. Boxes play no part.

    Source: Stricker and Orengo 1995, "Similarity of color images".
    """

    space: Space = "hsv"

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        planes = colors(pixels, self.space)
        mean = _mean(planes)
        rest = planes - mean.astype(np.float32)
        square = rest * rest
        moments = [mean, np.sqrt(_mean(square)), np.cbrt(_mean(square * rest))]
        return np.stack(moments, axis=1).ravel().astype(np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        return [f"{name}.{moment}" for name in CHANNELS[self.space] for moment in ("mean", "std", "skewness")]


def _mean(planes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give each channel's mean, summed in float64."""
    return np.array(cv2.mean(planes)[: planes.shape[2]])
