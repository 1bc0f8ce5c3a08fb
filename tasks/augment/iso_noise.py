"""ISO noise: a small sensor in bad light."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tasks.augment.seeded import Seeded, field
from tasks.augment.shades import added
from tasks.image.sample import Pixels
from tasks.image.values import fractions, luma
from tasks.operation import Range, within


class IsoNoise(Seeded):
    """Add the noise of a sensor at high ISO: of the light, and of the colour.

    ``intensity`` (0 to 1) is the standard deviation of noise that all channels share, at the top of the range; it goes
    with the root of the pixel's gray (Rec. 601). ``color`` (0 to 1) is that of noise that each channel has for itself,
    in dark and light alike. Both are fractions of the range, and a number, or [low, high] to draw from. Gray images get
    the first alone. Integers are rounded and clipped to their range, float32 is not clipped. Boxes do not change.

    Source: Albumentations ``ISONoise`` (which adds to lightness and hue); Foi et al. 2008, "Practical
    Poissonian-Gaussian noise modeling and fitting for single-image raw-data".
    """

    intensity: Annotated[Range, within(0, 1)] = Range(0.02, 0.1)
    color: Annotated[Range, within(0, 1)] = Range(0.01, 0.03)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        rng = field(params["seed"])
        light = np.sqrt(np.maximum(luma(fractions(pixels)), 0))
        noise = light * rng.standard_normal(light.shape, dtype=np.float32) * np.float32(params["intensity"])
        if pixels.shape[2] == 1:
            return added(pixels, noise)
        color = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(params["color"])
        return added(pixels, color + noise[:, :, None])
