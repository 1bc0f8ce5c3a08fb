"""Defocus: the lens was set to another distance."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.augment.motion_blur import blurred
from tasks.image.sample import Pixels
from tasks.operation import RandomFilter, Range, Ranged, within

FINE = 8  # parts of a pixel, along each side, that are in the disk or not


class Defocus(Ranged, RandomFilter):
    """Blur by a disk, as a lens out of focus.

    ``radius`` is the disk's in pixels (0, which changes nothing, to 50; a number, or [low, high] to draw from), smooth
    at its edge. The border is mirrored without repeating the edge. Every dtype is kept. Boxes do not change.

    Source: Hendrycks and Dietterich 2019, "Benchmarking neural network robustness"; Albumentations ``Defocus``.
    """

    shorthand: ClassVar[str | None] = "radius"

    radius: Annotated[Range, within(0, 50)] = Range(1, 4)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return blurred(pixels, disk(params["radius"]))


def disk(radius: float) -> NDArray[np.float32]:
    """Give a disk's kernel: the part of each pixel, in 64ths, that lies in it."""
    half = max(0, math.ceil(radius - 0.5))
    side = 2 * half + 1
    at = (np.arange(side * FINE) + 0.5) / FINE - side / 2
    inside = (at**2 + at[:, None] ** 2 <= max(radius, 0.5) ** 2).astype(np.float64)
    kernel = inside.reshape(side, FINE, side, FINE).sum(axis=(1, 3))
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)
