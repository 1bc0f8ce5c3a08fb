"""Denoise tv: the nearest image with little variation."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions
from tasks.operation import Filter


class DenoiseTv(Filter):
    """Remove noise by total variation.

    Each channel becomes the image u that minimizes sum (u - f)^2 / 2 + ``weight`` x total variation of u: flat
    areas with sharp edges. ``weight`` is a fraction of the range, 0 to 10; more removes more, and 0 changes
    nothing. Every dtype is kept. Boxes do not change.

    Source: Rudin, Osher and Fatemi 1992, Chambolle 2004; scikit-image ``restoration.denoise_tv_chambolle``.
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy", "scikit-image")

    weight: Annotated[float, Field(ge=0, le=10)] = 0.1

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        if self.weight == 0:
            return pixels
        from skimage.restoration import denoise_tv_chambolle

        return from_fractions(denoise_tv_chambolle(fractions(pixels), self.weight, channel_axis=-1), pixels.dtype)
