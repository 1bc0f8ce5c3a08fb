"""Sato: how strong a line runs through each place."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from tasks.clean.ridges import Scales, curvatures
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, luma
from tasks.operation import Filter


class Sato(Filter):
    """Make an image of how strong a line runs through each place.

    Lines are ``dark`` or ``bright`` ``ridges`` whose half width is about one of ``sigmas`` (pixels, 0.5 to 50). The
    result is gray: the greatest curvature of the luma (Rec. 601), times sigma squared, as a fraction of the range;
    so it is in proportion to the line's contrast, and compares between images. The border is mirrored. Every dtype
    is kept; integers are clipped. Boxes do not change.

    Source: Sato et al. 1998; scikit-image ``filters.sato``.
    """

    sigmas: Scales = (1.0, 3.0, 5.0, 7.0, 9.0)
    ridges: Literal["dark", "bright"] = "dark"

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        gray = luma(fractions(pixels)) * np.float32(1 if self.ridges == "dark" else -1)
        strongest = np.zeros_like(gray)
        for sigma in self.sigmas:
            np.maximum(strongest, curvatures(gray, sigma)[0] * np.float32(sigma**2), out=strongest)
        return from_fractions(strongest[:, :, None], pixels.dtype)

    def fixed_channels(self, channels: int | None) -> int | None:
        return 1
