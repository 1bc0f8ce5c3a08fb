"""Light: images in which even the darkest parts are bright."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tasks.errors import Rejected
from tasks.image.brightness import brightness, quantile
from tasks.image.sample import Pixels
from tasks.operation import Check, Fraction


class Light(Check):
    """Reject images that are too bright.

    The score is 1 minus the 5th percentile of pixel brightness sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2), 0 (white) to
    1, to 1e-5. An image with a score below ``below`` is rejected (``light``). Every dtype gives the same score.

    Source: CleanVision 0.3.7, issue ``light``.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"below"})

    below: Fraction = 0.05

    def measure(self, pixels: Pixels) -> dict[str, float]:
        return {"": 1.0 - quantile(brightness(pixels), 0.05)}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        score = measures[""]
        if score >= self.below:
            return None
        message = f"darkness of the darkest 5 % {score:.3f} is below {self.below}"
        return Rejected("light", message, step=self.name(), measure=score, limit=self.below)
