"""Frangi: how much each place looks like a vessel."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tasks.clean.ridges import Scales
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, luma
from tasks.operation import Filter


class Frangi(Filter):
    """Make an image of how much each place looks like a vessel.

    Vessels (wrinkles, roads, rivers) are ``dark`` or ``bright`` ``ridges`` whose half width is about one of
    ``sigmas`` (pixels, 0.5 to 50). The result is gray, 0 to 1 of the range, from the eigenvalues of the luma's
    Hessian: high where one is much greater than the other (by ``beta``: lower tells vessels from blobs more
    strictly) and great for this image; so it does not compare between images. Every dtype is kept. The time goes
    with the number and size of the sigmas (scikit-image's default are five, to 9). Boxes do not change.

    Source: Frangi et al. 1998; scikit-image ``filters.frangi``.
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "scikit-image", "scipy")

    sigmas: Scales = (1.0, 2.0, 3.0)
    ridges: Literal["dark", "bright"] = "dark"
    beta: Annotated[float, Field(gt=0, le=10)] = 0.5

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        from skimage.filters import frangi

        gray = luma(fractions(pixels))
        vessels = frangi(gray, self.sigmas, beta=self.beta, black_ridges=self.ridges == "dark")
        return from_fractions(vessels[:, :, None], pixels.dtype)

    def fixed_channels(self, channels: int | None) -> int | None:
        return 1
