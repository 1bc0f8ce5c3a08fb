"""Uniform border: images with bars or a frame around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tasks.errors import Rejected
from tasks.image.sample import Pixels
from tasks.image.values import fractions
from tasks.operation import Check, Fraction


class UniformBorder(Check):
    """Reject images with bars or a frame of one colour around them.

    The measure is the share of the area that lies in such a border, 0 to 1 (all one colour): on each side, the rows
    or columns whose every value differs by at most ``tolerance`` (a fraction of the range) from the median of that
    side's outermost one. An image above ``above`` is rejected (``uniform_border``). Any dtype.

    Source: letterbox detection, as FFmpeg's ``cropdetect`` (which knows black bars only).
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"above"})
    example: ClassVar[Mapping[str, Any]] = {"above": 0.1}

    above: Fraction
    tolerance: Fraction = 0.02

    def measure(self, pixels: Pixels) -> dict[str, float]:
        rows, columns = pixels, pixels.transpose(1, 0, 2)
        top, bottom, left, right = (self._depth(lines) for lines in (rows, rows[::-1], columns, columns[::-1]))
        height, width = max(0, len(rows) - top - bottom), max(0, len(columns) - left - right)
        return {"": 1 - height * width / (len(rows) * len(columns))}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        share = measures[""]
        if share <= self.above:
            return None
        message = f"{share:.0%} of the image is a border of one colour, above {self.above:.0%}"
        return Rejected("uniform_border", message, step=self.name(), measure=share, limit=self.above)

    def _depth(self, lines: Pixels) -> int:
        """Give how many lines from the first on have its colour."""
        colour = np.median(fractions(lines[0]), axis=0)
        for depth, line in enumerate(lines):
            if np.abs(fractions(line) - colour).max() > self.tolerance + 1e-6:
                return depth
        return len(lines)
