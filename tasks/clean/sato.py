"""Sato: how strong a line runs through each place."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from tasks.clean.ridges import Scales
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, luma
from tasks.operation import Filter


class Sato(Filter):
    """Make an image of how strong a line runs through each place.

    Lines are ``dark`` or ``bright`` ``ridges`` whose half width is about one of ``sigmas`` (pixels, 0.5 to 50). The
    result is gray: the greatest second derivative of the luma, times sigma squared, as a fraction of the range; so
    it is in proportion to the line's contrast, and compares between images. Every dtype is kept; integers are
    clipped. The time goes with the number and size of the sigmas (scikit-image's default are five, to 9). Boxes do
    not change.

    Source: Sato et al. 1998; scikit-image ``filters.sato``.
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "scikit-image", "scipy")

    sigmas: Scales = (1.0, 2.0, 3.0)
    ridges: Literal["dark", "bright"] = "dark"

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        from skimage.filters import sato

        lines = sato(luma(fractions(pixels)), self.sigmas, black_ridges=self.ridges == "dark")
        return from_fractions(lines[:, :, None], pixels.dtype)

    def fixed_channels(self, channels: int | None) -> int | None:
        return 1
