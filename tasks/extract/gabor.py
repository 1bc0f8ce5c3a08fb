"""Gabor: how much of each frequency runs in each direction."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.extract.planes import gray
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature

SPREAD = 3 * math.sqrt(math.log(2) / 2) / math.pi  # sigma times frequency, for a bandwidth of one octave
REACH = 3  # sigmas


class Gabor(Feature):
    """Describe texture by the energy of a bank of Gabor filters.

    For each of the ``frequencies`` (cycles a pixel, up to 0.5) and each of ``orientations`` directions that divide 180
    degrees evenly (0: the wave runs along x; counter-clockwise as displayed), the magnitude of the complex response
    of one octave's bandwidth is averaged: its mean and its standard deviation over the image. Gray is Rec. 601 as
    fractions of the range, float32 not clipped; every dtype gives the same, to rounding. The border is mirrored. Boxes
    play no part.

    Source: Manjunath and Ma 1996; scikit-image ``filters.gabor`` (whose angles turn the other way).
    """

    frequencies: Annotated[tuple[Annotated[float, Field(ge=0.01, le=0.5)], ...], Field(min_length=1)] = (0.1, 0.2, 0.4)
    orientations: Annotated[int, Field(ge=1, le=36)] = 4

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        values = gray(pixels)
        found: list[float] = []
        for frequency in self.frequencies:
            for orientation in range(self.orientations):
                wave = _wave(frequency, math.pi * orientation / self.orientations)
                even, odd = (cv2.filter2D(values, cv2.CV_32F, part, borderType=cv2.BORDER_REFLECT) for part in wave)
                mean, std = cv2.meanStdDev(np.sqrt(even * even + odd * odd))  # cv2.magnitude's last bit varies
                found += [float(mean[0, 0]), float(std[0, 0])]
        return np.array(found, dtype=np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        return [
            f"frequency_{frequency:g}.orientation_{180 * orientation / self.orientations:g}.{statistic}"
            for frequency in self.frequencies
            for orientation in range(self.orientations)
            for statistic in ("mean", "std")
        ]


@lru_cache(maxsize=256)
def _wave(frequency: float, angle: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the even and the odd part of a Gabor filter."""
    sigma = SPREAD / frequency
    width = math.ceil(max(REACH * sigma * abs(math.cos(angle)), REACH * sigma * abs(math.sin(angle)), 1))
    y, x = np.mgrid[-width : width + 1, -width : width + 1]
    along = x * math.cos(angle) - y * math.sin(angle)
    bell = np.exp(-(x**2 + y**2) / (2 * sigma**2)) / (2 * math.pi * sigma**2)
    phase = 2 * math.pi * frequency * along
    return (bell * np.cos(phase)).astype(np.float32), (bell * np.sin(phase)).astype(np.float32)
