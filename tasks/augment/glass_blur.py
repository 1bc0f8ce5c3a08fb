"""Glass blur: seen through frosted glass."""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from tasks.augment.seeded import Seeded, field
from tasks.image.sample import Pixels
from tasks.image.values import with_channels
from tasks.operation import Range, within


class GlassBlur(Seeded):
    """Scatter pixels among their neighbours, as frosted glass does.

    Blurred by a Gaussian of ``sigma`` pixels (0 to 10; a number, or [low, high] to draw from); then ``rounds`` times
    each pixel takes the value of one at most ``reach`` pixels away along each axis, drawn; then blurred again. (The
    reference swaps pixels one after the other instead.) Every dtype is kept. Boxes do not change.

    Source: Hendrycks and Dietterich 2019, "Benchmarking neural network robustness"; Albumentations ``GlassBlur``.
    """

    sigma: Annotated[Range, within(0, 10)] = Range(0.4, 1.0)
    reach: Annotated[int, Field(ge=0, le=50)] = 2
    rounds: Annotated[int, Field(ge=1, le=10)] = 1

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        height, width = pixels.shape[:2]
        rng = field(params["seed"])
        made = _smooth(pixels, params["sigma"])
        for _ in range(self.rounds):
            shift = rng.integers(-self.reach, self.reach + 1, (2, height, width), dtype=np.int16)
            down = np.clip(np.arange(height)[:, None] + shift[0], 0, height - 1)
            across = np.clip(np.arange(width) + shift[1], 0, width - 1)
            made = made[down, across]
        return _smooth(made, params["sigma"])


def _smooth(pixels: Pixels, sigma: float) -> Pixels:
    if not sigma:
        return pixels
    return with_channels(np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)))
