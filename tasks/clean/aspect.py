"""Aspect: images that are too wide or too high for their other side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import field_validator

from tasks.errors import Rejected
from tasks.image.sample import Pixels
from tasks.operation import Check, Range


class Aspect(Check):
    """Reject images whose width over height is outside a range.

    The measure is width / height: 1.78 for 16:9, 0.67 for a portrait of 2:3. An image outside ``ratio``, [low,
    high], both above 0, is rejected (``wrong_aspect``). Any dtype.

    Source: Data-Juicer ``image_aspect_ratio_filter``.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"ratio"})
    example: ClassVar[Mapping[str, Any]] = {"ratio": [0.5, 2.0]}
    shorthand: ClassVar[str | None] = "ratio"

    ratio: Range

    @field_validator("ratio")
    @classmethod
    def _above_nothing(cls, ratio: Range) -> Range:
        if ratio.low <= 0:
            raise ValueError(f"expected [low, high] above 0, got {list(ratio)}")
        return ratio

    def measure(self, pixels: Pixels) -> dict[str, float]:
        return {"": pixels.shape[1] / pixels.shape[0]}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        ratio = measures[""]
        if self.ratio.low <= ratio <= self.ratio.high:
            return None
        limit, side = (self.ratio.low, "below") if ratio < self.ratio.low else (self.ratio.high, "above")
        message = f"width / height {ratio:.3f} is {side} {limit}"
        return Rejected("wrong_aspect", message, step=self.name(), measure=ratio, limit=limit)
