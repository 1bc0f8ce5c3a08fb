"""Fog: all goes towards white, more here and less there."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tasks.augment.clouds import clouds
from tasks.augment.seeded import Seeded, field
from tasks.augment.shades import mixed
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Fraction, Range, within


class Fog(Seeded):
    """Lay fog over the image.

    Each pixel is mixed with white by a share that varies in clouds of all sizes between half of ``density`` and all of
    it (0 to 1; a number, or [low, high] to draw from). ``tone`` is the fog's own, a fraction of the range. Every dtype
    is kept; integers are rounded. Boxes do not change.

    Source: Hendrycks and Dietterich 2019, "Benchmarking neural network robustness" (whose fog is a plasma fractal);
    Albumentations ``RandomFog``.
    """

    density: Annotated[Range, within(0, 1)] = Range(0.3, 0.7)
    tone: Fraction = 1.0

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        haze = clouds(field(params["seed"]), Size(pixels.shape[1], pixels.shape[0]))
        return mixed(pixels, self.tone, (haze + 1) * np.float32(params["density"] / 2))
