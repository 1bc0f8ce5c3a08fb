"""Clouds: smooth random fields of any size, made from few values."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import Size
from tasks.image.randomness import Generator

FINE = 4  # values to a standard deviation, from which the whole field is interpolated


def smooth(rng: Generator, size: Size, sigma: float, layers: int = 1) -> NDArray[np.float32]:
    """Give H x W x layers of Gaussian noise, blurred by ``sigma`` pixels, with a mean square of 1 in each layer."""
    step = max(1.0, sigma / FINE)
    coarse = Size(math.ceil(size.width / step) + 1, math.ceil(size.height / step) + 1)
    noise = rng.standard_normal((coarse.height, coarse.width, layers), dtype=np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), sigma / step, borderType=cv2.BORDER_REFLECT_101)
    if coarse != size:
        blurred = cv2.resize(blurred, size, interpolation=cv2.INTER_CUBIC)
    values = np.asarray(blurred, dtype=np.float32).reshape(size.height, size.width, layers)
    spread = np.sqrt(np.mean(np.square(values, dtype=np.float64), axis=(0, 1)))
    return np.asarray(values / np.maximum(spread, 1e-12).astype(np.float32), dtype=np.float32)


def clouds(rng: Generator, size: Size) -> NDArray[np.float32]:
    """Give H x W noise of all scales, each as strong as it is large, stretched over 0 to 1."""
    total = np.zeros((size.height, size.width), dtype=np.float32)
    sigma = max(size) / 4
    while sigma >= 1:
        total += np.float32(sigma) * smooth(rng, size, sigma)[:, :, 0]
        sigma /= 2
    low, high = float(total.min()), float(total.max())
    return (total - np.float32(low)) * np.float32(1 / (high - low)) if high > low else total
