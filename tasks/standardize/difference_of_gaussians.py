"""Difference of Gaussians: details of one size."""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, with_channels
from tasks.operation import Filter

RATIO = 1.6  # Marr and Hildreth: nearest to the Laplacian of Gaussian

Sigma = Annotated[float, Field(ge=0, le=100)]


class DifferenceOfGaussians(Filter):
    """Keep details of one size: a narrow Gaussian blur minus a wide one.

    ``low_sigma`` and ``high_sigma`` are their standard deviations in pixels, 0 to 100 (0 blurs nothing; ``high_sigma``
    is 1.6 times ``low_sigma`` where it is left out). Flat parts become 0.5 of the range, lighter details more, darker
    ones less; scikit-image gives the difference without the 0.5. The border is mirrored without repeating the edge.
    Every dtype is kept; integers are rounded and clipped, float32 is not clipped. Boxes do not change.

    Source: scikit-image ``filters.difference_of_gaussians``; Marr and Hildreth 1980.
    """

    low_sigma: Sigma = 1.0
    high_sigma: Sigma | None = None

    @model_validator(mode="after")
    def _ordered_sigmas(self) -> DifferenceOfGaussians:
        if self.high_sigma is not None and self.high_sigma < self.low_sigma:
            raise ValueError(f"expected high_sigma of at least low_sigma, got {self.high_sigma} and {self.low_sigma}")
        return self

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        values = fractions(pixels)
        high = RATIO * self.low_sigma if self.high_sigma is None else self.high_sigma
        return from_fractions(blurred(values, self.low_sigma) - blurred(values, high) + np.float32(0.5), pixels.dtype)


def blurred(values: NDArray[np.float32], sigma: float, border: int = cv2.BORDER_REFLECT_101) -> NDArray[np.float32]:
    """Blur float32 values by a Gaussian that ends at 4 sigma, as scikit-image's and SciPy's do."""
    width = 2 * int(4 * sigma + 0.5) + 1
    if width == 1:
        return values
    return with_channels(np.asarray(cv2.GaussianBlur(values, (width, width), sigma, borderType=border)))
