"""Odd aspect ratio: images that are very long or very high."""

from __future__ import annotations

from typing import ClassVar

from tasks.image.sample import Pixels
from tasks.operation import Fraction, Score


class OddAspectRatio(Score):
    """Reject images that are much longer than high, or much higher than long.

    The score is the shorter side over the longer one, 0 to 1 (a square). An image with a score below ``below`` is
    rejected (``odd_aspect_ratio``). ``aspect`` tells wide from high. Any dtype.

    Source: CleanVision 0.3.7, issue ``odd_aspect_ratio``.
    """

    reason: ClassVar[str] = "odd_aspect_ratio"
    told: ClassVar[str] = "shorter side over longer side"

    below: Fraction = 0.35

    def score(self, pixels: Pixels) -> float:
        height, width = pixels.shape[:2]
        return float(min(width / height, height / width))
