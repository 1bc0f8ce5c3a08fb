"""Dark: images in which even the brightest parts are dim."""

from __future__ import annotations

from typing import ClassVar

from tasks.image.brightness import brightness, quantile
from tasks.image.sample import Pixels
from tasks.operation import Fraction, Score


class Dark(Score):
    """Reject images that are too dark.

    The score is the 99th percentile of pixel brightness sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2), 0 (black) to 1, to
    1e-5. An image with a score below ``below`` is rejected (``dark``). Every dtype gives the same score.

    Source: CleanVision 0.3.7, issue ``dark``.
    """

    reason: ClassVar[str] = "dark"
    told: ClassVar[str] = "brightness of the brightest 1 %"

    below: Fraction = 0.32

    def score(self, pixels: Pixels) -> float:
        return quantile(brightness(pixels), 0.99)
