"""Brightness and contrast: a straight line through the values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params, RandomPointwise, Range


class BrightnessContrast(RandomPointwise):
    """Change brightness and contrast.

    ``brightness`` b and ``contrast`` c are drawn uniformly from their ranges; a value v, as a fraction of the range,
    becomes (v - 0.5) (1 + c) + 0.5 + b. Contrast pivots at the middle of the range; -1 makes it flat. Integers are
    clipped to their range, float32 is not. Boxes do not change.

    Source: Albumentations ``RandomBrightnessContrast`` (which pivots at 0).
    """

    brightness: Range = Range(-0.2, 0.2)
    contrast: Range = Range(-0.2, 0.2)

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {
            "brightness": float(rng.uniform(*self.brightness)),
            "contrast": float(rng.uniform(*self.contrast)),
        }

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        return np.asarray((values - 0.5) * (1 + params["contrast"]) + (0.5 + params["brightness"]))
