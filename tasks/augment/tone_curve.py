"""Tone curve: shadows and lights, each for themselves."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tasks.operation import RandomPointwise, Range, Ranged, within


class ToneCurve(Ranged, RandomPointwise):
    """Bend the tones, in the shadows and in the lights.

    A value v, as a fraction of the range, becomes v + 3 (1 - v)^2 v s + 3 (1 - v) v^2 h: a Bezier curve from black to
    white whose inner points are moved by s and h. These are ``shadows`` and ``highlights`` (-1/3 to 1/3; a number, or
    [low, high] to draw from); black and white stay, and so do float32 values outside 0..1. Every dtype is kept. Boxes
    do not change.

    Source: Wu et al. 2019, "Synthetic data augmentation using GAN for retinal vessel segmentation"; Albumentations
    ``RandomToneCurve``.
    """

    shadows: Annotated[Range, within(-1 / 3, 1 / 3)] = Range(-0.1, 0.1)
    highlights: Annotated[Range, within(-1 / 3, 1 / 3)] = Range(-0.1, 0.1)

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        v = np.clip(values, 0.0, 1.0)
        return np.asarray(values + 3 * (1 - v) * v * ((1 - v) * params["shadows"] + v * params["highlights"]))
