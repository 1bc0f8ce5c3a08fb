"""Shades: pixels multiplied by a field, added to, and mixed with a tone; rounded and clipped for integers."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.image.values import with_channels

DEPTHS = {"uint8": cv2.CV_8U, "uint16": cv2.CV_16U, "float32": cv2.CV_32F}


def added(pixels: Pixels, values: NDArray[np.float32]) -> Pixels:
    """Add fractions of the range: H x W x C, or H x W for all channels alike."""
    scaled = _each(values, pixels.shape[2]) * np.float32(value_range(pixels.dtype))
    return with_channels(np.asarray(cv2.add(pixels, scaled, dtype=DEPTHS[pixels.dtype.name])))


def multiplied(pixels: Pixels, factors: NDArray[np.float32]) -> Pixels:
    """Multiply by factors: H x W x C, or H x W for all channels alike."""
    each = _each(factors, pixels.shape[2])
    return with_channels(np.asarray(cv2.multiply(pixels, each, dtype=DEPTHS[pixels.dtype.name])))


def mixed(pixels: Pixels, tone: float, share: NDArray[np.float32]) -> Pixels:
    """Mix with a tone, a fraction of the range, by its share (0 to 1) in each pixel (H x W)."""
    share = _each(share, pixels.shape[2])
    whole = pixels.astype(np.float32)
    whole += share * (np.float32(tone * value_range(pixels.dtype)) - whole)
    return _kept(whole, 1.0, pixels.dtype)


def stored(values: MatLike, dtype: np.dtype[Any]) -> Pixels:
    """Give fractions of the range as values of a dtype."""
    return _kept(values, value_range(dtype), dtype)


def _kept(values: MatLike, scale: float, dtype: np.dtype[Any]) -> Pixels:
    return with_channels(np.asarray(cv2.addWeighted(values, scale, values, 0.0, 0.0, dtype=DEPTHS[dtype.name])))


def _each(values: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    if values.ndim == 2 and channels > 1:
        return np.asarray(cv2.merge([values] * channels))
    return values.reshape(*values.shape[:2], channels)
