"""Dark: images in which even the brightest parts are dim."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tasks.errors import Rejected
from tasks.image.brightness import brightness, quantile
from tasks.image.sample import Pixels
from tasks.operation import Check, Fraction


class Dark(Check):
    """Reject images that are too dark.

    The score is the 99th percentile of pixel brightness sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2), 0 (black) to 1, to
    1e-5. An image with a score below ``below`` is rejected (``dark``). Every dtype gives the same score.

    Source: CleanVision 0.3.7, issue ``dark``.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"below"})

    below: Fraction = 0.32

    def measure(self, pixels: Pixels) -> dict[str, float]:
        return {"": quantile(brightness(pixels), 0.99)}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        score = measures[""]
        if score >= self.below:
            return None
        message = f"brightness of the brightest 1 % {score:.2f} is below {self.below}"
        return Rejected("dark", message, step=self.name(), measure=score, limit=self.below)
