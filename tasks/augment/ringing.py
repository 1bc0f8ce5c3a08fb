"""Ringing: echoes along edges, of frequencies cut off."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np

from tasks.augment.shades import stored
from tasks.image.sample import Pixels
from tasks.image.values import fractions
from tasks.operation import RandomFilter, Range, Ranged, within


class Ringing(Ranged, RandomFilter):
    """Cut off the high frequencies, so that edges ring.

    What lies beyond ``cutoff`` (0.05 to 1; a number, or [low, high] to draw from) is taken from the image's spectrum: 1
    is the highest frequency along an axis, and frequencies count by their distance from zero. The image is mirrored at
    its ends, so opposite sides do not ring into each other. Integers are rounded and clipped to their range, float32 is
    not clipped. Boxes do not change.

    Source: Gibbs 1898; MONAI ``RandGibbsNoise``, Albumentations ``RingingOvershoot``.
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "scipy")
    shorthand: ClassVar[str | None] = "cutoff"

    cutoff: Annotated[Range, within(0.05, 1)] = Range(0.3, 0.7)

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        from scipy.fft import dctn, idctn

        height, width = pixels.shape[:2]
        across, down = np.arange(width) / width, np.arange(height) / height
        kept = np.hypot(across, down[:, None]) <= params["cutoff"]
        spectrum = dctn(fractions(pixels), axes=(0, 1)) * kept[:, :, None]
        return stored(idctn(spectrum.astype(np.float32), axes=(0, 1)), pixels.dtype)
