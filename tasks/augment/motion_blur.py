"""Motion blur: the camera moved."""

from __future__ import annotations

import math
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.sample import Pixels
from tasks.image.values import with_channels
from tasks.operation import RandomFilter, Range, Ranged, within

POINTS = 64  # of a line, to a pixel


class MotionBlur(Ranged, RandomFilter):
    """Blur along a line.

    The line is ``length`` pixels long (1, which changes nothing, to 100) and turned by ``degrees`` (counter-clockwise
    from the right, -360 to 360); each is a number, or [low, high] to draw from. All points of the line count alike. The
    border is mirrored without repeating the edge. Every dtype is kept. Boxes do not change.

    Source: Albumentations ``MotionBlur``, imgaug ``MotionBlur``.
    """

    length: Annotated[Range, within(1, 100)] = Range(3, 9)
    degrees: Annotated[Range, within(-360, 360)] = Range(0, 180)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return blurred(pixels, line(params["length"], params["degrees"]))


def line(length: float, degrees: float) -> NDArray[np.float32]:
    """Give the kernel of a line through the middle: how long it is in each pixel."""
    half = max(0, math.ceil(length / 2 - 0.5))
    side = 2 * half + 1
    count = math.ceil(POINTS * length)
    along = ((np.arange(count) + 0.5) / count - 0.5) * length
    columns = np.rint(along * math.cos(math.radians(degrees))).astype(int) + half
    rows = np.rint(-along * math.sin(math.radians(degrees))).astype(int) + half
    lengths = np.bincount(rows * side + columns, minlength=side * side).reshape(side, side)
    return np.asarray(lengths / count, dtype=np.float32)


def blurred(pixels: Pixels, kernel: NDArray[np.float32]) -> Pixels:
    """Filter by a kernel, mirrored at the border without repeating the edge."""
    if kernel.size == 1:
        return pixels
    return with_channels(np.asarray(cv2.filter2D(pixels, -1, kernel, borderType=cv2.BORDER_REFLECT_101)))
