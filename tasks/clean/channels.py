"""Channels: images that are gray where colour is wanted, or the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from tasks.errors import Rejected
from tasks.image.sample import Pixels
from tasks.operation import Check


class Channels(Check):
    """Reject images that have another number of channels.

    ``count`` is 1 (gray) or 3 (colour), as decoded: alpha is composited and CMYK converted before. An image with
    another number is rejected (``wrong_channels``). Gray that is stored as colour has 3 (``gray: {by: content}``
    finds it). Any dtype.

    Source: MONAI ``EnsureChannelFirst`` asks for it.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"count"})
    example: ClassVar[Mapping[str, Any]] = {"count": 3}
    shorthand: ClassVar[str | None] = "count"

    count: Literal[1, 3]

    def measure(self, pixels: Pixels) -> dict[str, float]:
        return {"": float(pixels.shape[2])}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        count = measures[""]
        if count == self.count:
            return None
        message = f"the image has {count:.0f} channels, not {self.count}"
        return Rejected("wrong_channels", message, step=self.name(), measure=count, limit=float(self.count))
