"""Colors: changes of brightness, contrast, saturation and hue, in as few passes as they need."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.augment.shades import stored
from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.image.values import REC601, fractions, with_channels

Change = tuple[str, float]  # brightness, contrast, saturation or hue, and by how much


def changed(pixels: Pixels, changes: Iterable[Change]) -> Pixels:
    """Do changes in order, each as the operation of its name does it: neighbours but hue as one matrix.

    Integers are clipped before a hue turns and at the end, float32 where a hue turns. Gray images have neither hue nor
    saturation.
    """
    channels = pixels.shape[2]
    total = np.eye(channels + 1)
    for name, amount in changes:
        if name != "hue":
            total = _linear(name, amount, channels) @ total
        elif channels == 3 and amount:
            pixels = turned(_through(pixels, total), hue=amount)
            total = np.eye(channels + 1)
    return _through(pixels, total)


def turned(pixels: Pixels, hue: float = 0.0, saturation: float = 1.0, value: float = 1.0) -> Pixels:
    """Turn the hue of RGB pixels (1 is the whole circle) and multiply saturation and value (HSV), clipped to 0..1."""
    hues, saturations, values = cv2.split(cv2.cvtColor(np.clip(fractions(pixels), 0.0, 1.0), cv2.COLOR_RGB2HSV))
    if hue:
        hues = hues + np.float32(360 * (hue % 1))
        np.subtract(hues, np.float32(360), out=hues, where=hues >= 360)
    if saturation != 1:
        saturations = np.minimum(saturations * np.float32(saturation), np.float32(1))
    if value != 1:
        values = np.minimum(values * np.float32(value), np.float32(1))
    return stored(cv2.cvtColor(cv2.merge([hues, saturations, values]), cv2.COLOR_HSV2RGB), pixels.dtype)


def _linear(name: str, amount: float, channels: int) -> NDArray[np.float64]:
    """Give a change as a matrix on (red, green, blue, 1), or on (gray, 1), in fractions of the range."""
    made = np.eye(channels + 1)
    if name == "brightness":
        made[:-1, -1] = amount
    elif name == "contrast":
        made[:-1, :-1] *= 1 + amount
        made[:-1, -1] = -amount / 2
    elif channels == 3:
        made[:-1, :-1] = (1 + amount) * np.eye(3) - amount * np.array([REC601] * 3)
    return made


def _through(pixels: Pixels, matrix: NDArray[np.float64]) -> Pixels:
    if np.array_equal(matrix, np.eye(len(matrix))):
        return pixels
    scaled = matrix[:-1].copy()
    scaled[:, -1] *= value_range(pixels.dtype)
    return with_channels(np.asarray(cv2.transform(pixels, scaled.astype(np.float32))))
