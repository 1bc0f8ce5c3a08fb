"""Max size: images that have too many pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tasks.errors import Rejected
from tasks.image.sample import Pixels
from tasks.operation import Check, SquareSize


class MaxSize(Check):
    """Reject images that are too large.

    ``size`` is the greatest [width, height] in pixels, or one number for both; an image that is wider or higher is
    rejected (``too_large``). The measures are ``width`` and ``height``. Any dtype.

    Source: Data-Juicer ``image_shape_filter``.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"size"})
    example: ClassVar[Mapping[str, Any]] = {"size": [8192, 8192]}
    shorthand: ClassVar[str | None] = "size"

    size: SquareSize

    def measure(self, pixels: Pixels) -> dict[str, float]:
        return {"width": float(pixels.shape[1]), "height": float(pixels.shape[0])}

    def measures(self) -> tuple[str, ...]:
        return ("width", "height")

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        for side, limit in (("width", self.size.width), ("height", self.size.height)):
            if measures[side] > limit:
                message = f"{side} {measures[side]:.0f} is above {limit}"
                return Rejected("too_large", message, step=self.name(), measure=measures[side], limit=float(limit))
        return None
