"""Odd aspect ratio: images that are very long or very high."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tasks.errors import Rejected
from tasks.image.sample import Pixels
from tasks.operation import Check, Fraction


class OddAspectRatio(Check):
    """Reject images that are much longer than high, or much higher than long.

    The score is the shorter side over the longer one, 0 to 1 (a square). An image with a score below ``below`` is
    rejected (``odd_aspect_ratio``). ``aspect`` tells wide from high. Any dtype.

    Source: CleanVision 0.3.7, issue ``odd_aspect_ratio``.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"below"})

    below: Fraction = 0.35

    def measure(self, pixels: Pixels) -> dict[str, float]:
        height, width = pixels.shape[:2]
        return {"": min(width / height, height / width)}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        score = measures[""]
        if score >= self.below:
            return None
        message = f"the shorter side is {score:.2f} of the longer one, below {self.below}"
        return Rejected("odd_aspect_ratio", message, step=self.name(), measure=score, limit=self.below)
