"""Ghosting: faint copies beside the object, as of a patient who breathes."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tasks.augment.counts import Count, counted
from tasks.augment.shades import stored
from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.image.values import fractions
from tasks.operation import Params, RandomFilter, Range, within


class Ghosting(RandomFilter):
    """Lay faint copies of the image beside it.

    Along one axis, drawn, each ``ghosts``-th line of the spectrum but the lowest is weakened by ``strength`` (0 to 1; a
    number, or [low, high] to draw from), which makes so many copies, equally far apart. ``ghosts`` is a whole number
    from 2 to 64, or [low, high]. Integers are rounded and clipped to their range, float32 is not clipped. Boxes do not
    change.

    Source: TorchIO ``RandomGhosting``; Axel et al. 1986, "Respiratory effects in two-dimensional Fourier transform MR
    imaging".
    """

    ghosts: Annotated[Count, *counted(2, 64)] = Count(4, 10)
    strength: Annotated[Range, within(0, 1)] = Range(0.3, 0.8)

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {
            "ghosts": self.ghosts.drawn(rng),
            "strength": float(rng.uniform(*self.strength)),
            "axis": int(rng.integers(2)),
        }

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        axis, side = params["axis"], pixels.shape[params["axis"]]
        spectrum = np.fft.rfft(fractions(pixels), axis=axis)
        weight = np.ones(spectrum.shape[axis], dtype=np.float32)
        weight[params["ghosts"] :: params["ghosts"]] = 1 - params["strength"]
        spectrum *= weight[:, None, None] if axis == 0 else weight[:, None]
        return stored(np.fft.irfft(spectrum, n=side, axis=axis), pixels.dtype)
