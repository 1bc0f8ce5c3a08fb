"""Equalize: every part of the range used as often."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.sample import Pixels
from tasks.image.values import from_fractions, with_channels
from tasks.operation import RandomFilter, Ranged

LEVELS = 65_536


class Equalize(Ranged, RandomFilter):
    """Equalize the histogram: the share of darker pixels becomes the value.

    The darkest value becomes 0, the lightest 1. ``channels``: ``each`` of a colour image for itself, or its
    ``luminance`` alone (Y of YCrCb), which keeps colours. A flat channel stays as it is. uint8 has a histogram of 256
    bins, uint16 of 65,536; float32 is clipped to 0..1 and goes through 16 bits. It happens always unless ``p`` says
    otherwise. Boxes do not change.

    Source: OpenCV ``equalizeHist``, torchvision ``RandomEqualize``, Albumentations ``Equalize`` (``by_channels``);
    Gonzalez and Woods, "Digital Image Processing", 3.3 (scikit-image's ``equalize_hist`` keeps the darkest above 0).
    """

    channels: Literal["each", "luminance"] = "each"

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if pixels.dtype == np.float32:
            sixteen = self.filter(from_fractions(pixels, np.dtype(np.uint16)))
            return np.multiply(sixteen, np.float32(1 / (LEVELS - 1)), dtype=np.float32)
        if self.channels == "each" or pixels.shape[2] == 1:
            return with_channels(np.asarray(cv2.merge([_equalized(channel) for channel in cv2.split(pixels)])))
        luma, *chroma = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb))
        return np.asarray(cv2.cvtColor(cv2.merge([_equalized(luma), *chroma]), cv2.COLOR_YCrCb2RGB))


def _equalized(channel: NDArray[Any]) -> NDArray[Any]:
    if channel.dtype == np.uint8:
        return np.asarray(cv2.equalizeHist(channel))
    below = np.cumsum(np.bincount(channel.ravel(), minlength=LEVELS))
    darkest = below[channel.min()]
    if darkest == channel.size:
        return channel
    table = np.rint(np.maximum(below - darkest, 0) * ((LEVELS - 1) / (channel.size - darkest)))
    return np.asarray(table.astype(np.uint16)[channel])
