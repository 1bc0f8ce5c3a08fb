"""Light: images in which even the darkest parts are bright."""

from __future__ import annotations

from typing import ClassVar

from tasks.image.brightness import brightness, quantile
from tasks.image.sample import Pixels
from tasks.operation import Fraction, Score


class Light(Score):
    """Reject images that are too bright.

    The score is 1 minus the 5th percentile of pixel brightness sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2), 0 (white) to
    1, to 1e-5. An image with a score below ``below`` is rejected (``light``). Every dtype gives the same score.

    Source: CleanVision 0.3.7, issue ``light``.
    """

    reason: ClassVar[str] = "light"
    told: ClassVar[str] = "darkness of the darkest 5 %"

    below: Fraction = 0.05

    def score(self, pixels: Pixels) -> float:
        return 1.0 - quantile(brightness(pixels), 0.05)
