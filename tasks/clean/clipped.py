"""Clipped: images whose shadows or highlights are lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tasks.errors import Rejected
from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.operation import Check, Fraction


class Clipped(Check):
    """Reject images with too many values at an end of the range.

    The measures are the shares of values, of all channels together, that are 0 (``black``) or the range's end
    (``white``): shadows and highlights that are lost. An image is rejected (``clipped``) where one of them is above
    ``above``. Any dtype; float32 counts what is at or beyond 0 and 1.

    Source: the histogram's ends, as photo editors warn of them.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"above"})
    example: ClassVar[Mapping[str, Any]] = {"above": 0.25}

    above: Fraction

    def measure(self, pixels: Pixels) -> dict[str, float]:
        black, white = np.count_nonzero(pixels <= 0), np.count_nonzero(pixels >= value_range(pixels.dtype))
        return {"black": float(black) / pixels.size, "white": float(white) / pixels.size}

    def measures(self) -> tuple[str, ...]:
        return ("black", "white")

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        for end, where in (("black", "0"), ("white", "the end of the range")):
            if measures[end] > self.above:
                message = f"{measures[end]:.0%} of the values are at {where}, above {self.above:.0%}"
                return Rejected("clipped", message, step=self.name(), measure=measures[end], limit=self.above)
        return None
