"""Upscaled: images that were enlarged, and show less than their pixels could."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tasks.image.sample import Pixels
from tasks.image.values import as_bytes, luma
from tasks.operation import Fraction, Score

MOST = 1024  # px: a side of the middle that is looked at
LEAST = 64  # px: below, there is no spectrum to speak of
BANDS = 64  # of frequency, up to the highest
KNOWN = slice(7, 29)  # the bands from which the power above is foretold: 0.1 to 0.45 of the highest frequency
FINE = slice(39, 61)  # those in which it is missed: 0.6 to 0.95
FLOOR = 1e-3  # a pixel: less power than rounding to 8 bits leaves


class Upscaled(Score):
    """Reject images that were enlarged: they show less than their pixels could.

    The score is the power of the finest details, from 0.6 of the highest spatial frequency on, over what the power law
    of the coarser ones, up to 0.45, foretells; at most 1. At ``below: 0.2`` it found 97 % of 240 photographs enlarged
    to twice the size by cubic interpolation, 100 % by Lanczos and 80 % by linear, and flagged 3 % of the photographs
    themselves (``benchmarks/screen.py``). Slightly blurred images have low scores, too. Of large images the middle
    1024 x 1024 px are looked at; one with a side below 64 px counts as 1. An image below ``below`` is rejected
    (``upscaled``). Values of every dtype are rounded to 8 bits first.

    Source: the power law of natural images, Field 1987, "Relations between the statistics of natural images and the
    response properties of cortical cells".
    """

    reason: ClassVar[str] = "upscaled"
    told: ClassVar[str] = "share of the fine detail to be expected"
    example: ClassVar[Mapping[str, Any]] = {"below": 0.2}

    below: Fraction

    def score(self, pixels: Pixels) -> float:
        gray = luma(as_bytes(pixels))
        if min(gray.shape) < LEAST:
            return 1.0
        rows, columns = (min(side, MOST) for side in gray.shape)
        top, left = (gray.shape[0] - rows) // 2, (gray.shape[1] - columns) // 2
        part = gray[top : top + rows, left : left + columns].astype(np.float64)
        window = np.outer(np.hanning(rows), np.hanning(columns))
        spectrum = np.abs(np.fft.rfft2((part - part.mean()) * window)) ** 2
        down, across = np.abs(np.fft.fftfreq(rows))[:, None] * 2, np.fft.rfftfreq(columns)[None] * 2
        band = np.minimum((np.maximum(down, across) * BANDS).astype(np.intp), BANDS - 1).ravel()
        count = np.maximum(np.bincount(band, minlength=BANDS), 1)
        power = np.log10(np.bincount(band, spectrum.ravel(), BANDS) / count + FLOOR * rows * columns)
        frequency = np.log10((np.arange(BANDS) + 0.5) / BANDS)
        slope, offset = np.polyfit(frequency[KNOWN], power[KNOWN], 1)
        missed = np.mean(power[FINE] - (slope * frequency[FINE] + offset))
        return float(min(1.0, 10**missed))
