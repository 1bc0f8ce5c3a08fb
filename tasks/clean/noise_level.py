"""Noise level: images with too much noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tasks.clean.noise import noise_of
from tasks.errors import Rejected
from tasks.image.sample import Pixels
from tasks.image.values import fractions, luma
from tasks.operation import Check, Fraction


class NoiseLevel(Check):
    """Reject images with too much noise.

    The measure is the standard deviation of the luma's noise as a fraction of the range, estimated from its finest
    diagonal details: 0.01 is slight, 0.1 strong. Fine texture counts as noise, too. An image above ``above`` is
    rejected (``noisy``). Every dtype gives the same measure, within the rounding of its luma.

    Source: Donoho and Johnstone 1994; scikit-image ``restoration.estimate_sigma``.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"above"})
    example: ClassVar[Mapping[str, Any]] = {"above": 0.1}

    above: Fraction

    def measure(self, pixels: Pixels) -> dict[str, float]:
        return {"": noise_of(fractions(luma(pixels)[:, :, None]))[0]}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        noise = measures[""]
        if noise <= self.above:
            return None
        message = f"noise {noise:.3f} is above {self.above}"
        return Rejected("noisy", message, step=self.name(), measure=noise, limit=self.above)
