"""What features look at: planes of gray or colour that are the same whatever depth the values are stored in."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.sample import Pixels
from tasks.image.values import as_bytes, fractions, from_fractions, luma

Space = Literal["rgb", "gray", "hsv", "lab", "ycrcb"]

CHANNELS: dict[Space, tuple[str, ...]] = {
    "rgb": ("red", "green", "blue"),
    "gray": ("gray",),
    "hsv": ("hue", "saturation", "value"),
    "lab": ("lightness", "a", "b"),
    "ycrcb": ("luma", "cr", "cb"),
}
LEVELS = 65_536  # of 16 bits


def deep(pixels: Pixels) -> NDArray[np.uint16]:
    """Give values at 16 bits, clipped to the range: equal fractions of any dtype become equal numbers."""
    if pixels.dtype == np.uint8:
        return np.multiply(pixels, 257, dtype=np.uint16)
    return pixels if pixels.dtype == np.uint16 else from_fractions(pixels, np.dtype(np.uint16))


def gray(pixels: Pixels) -> NDArray[np.float32]:
    """Give H x W gray (Rec. 601) as fractions of the range; float32 is not clipped."""
    return luma(fractions(pixels))


def deep_gray(pixels: Pixels) -> NDArray[np.uint16]:
    """Give H x W gray (Rec. 601) at 16 bits: for features that compare or count values."""
    return luma(deep(pixels))


def byte_gray(pixels: Pixels) -> NDArray[np.uint8]:
    """Give H x W gray (Rec. 601) at 8 bits: for detectors that take nothing else."""
    return luma(as_bytes(pixels))


def colors(pixels: Pixels, space: Space) -> NDArray[Any]:
    """Give H x W x C planes (C of 1 or 3) of a colour space, float32, each channel from 0 to 1; float32 is clipped.

    Hue takes the whole range, L* is divided by 100, a* and b* are (v + 128) / 255: as ``convert_color``.
    """
    whole = deep(pixels)
    if space == "gray":
        return fractions(luma(whole)[:, :, None])
    rgb = fractions(whole if whole.shape[2] == 3 else np.repeat(whole, 3, axis=2))
    if space == "rgb":
        return rgb
    if space == "hsv":
        return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV) / np.array([360, 1, 1], np.float32))
    if space == "lab":
        low, span = np.array([[0, -128, -128], [100, 255, 255]], np.float32)
        return np.asarray((cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab) - low) / span)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))
