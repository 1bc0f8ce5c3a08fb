"""What values mean: fractions of a dtype's range, the same for uint8, uint16 and float32."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.render import Pixels, value_range

REC601 = (0.299, 0.587, 0.114)


def with_channels(pixels: NDArray[Any]) -> Pixels:
    """Give H x W x C pixels, where OpenCV has dropped a single channel."""
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def fractions(pixels: Pixels) -> NDArray[np.float32]:
    """Give values as fractions of the range, float32; floating point stays as it is."""
    if pixels.dtype.kind == "u":
        return pixels.astype(np.float32) * np.float32(1 / value_range(pixels.dtype))
    return pixels.astype(np.float32, copy=False)


def from_fractions(values: NDArray[Any], dtype: np.dtype[Any]) -> Pixels:
    """Give fractions of the range as values of a dtype: rounded and clipped for integers."""
    if dtype.kind == "u":
        scaled = np.asarray(values * np.float64(value_range(dtype)))
        np.clip(np.rint(scaled, out=scaled), 0, value_range(dtype), out=scaled)  # in place: a sixth of the time
        return scaled.astype(dtype)
    return np.asarray(values.astype(dtype, copy=False))


def as_bytes(pixels: Pixels) -> NDArray[np.uint8]:
    """Give values rounded to 8 bits, so that a score does not depend on the depth they are stored in."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "u":
        return with_channels(np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257)))
    return with_channels(np.asarray(cv2.convertScaleAbs(np.clip(pixels, 0.0, 1.0), alpha=255)))


def luma(pixels: Pixels) -> NDArray[Any]:
    """Give H x W gray (Rec. 601) of gray or RGB pixels, in their dtype."""
    return pixels[:, :, 0] if pixels.shape[2] == 1 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
