"""Odd size: images much larger or smaller than the collection's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.collection.scored import scored
from tasks.operation import Dataset, Fraction

REACH = 3.0  # quartile ranges from the quartiles


class OddSize(Dataset):
    """Reject images whose size is far from those of the collection.

    An image's size is sqrt(width x height), as it was decoded. With the quartiles q1 and q3 of all sizes, the usual
    ones are [q1 - 3 (q3 - q1), q3 + 3 (q3 - q1)]; the score is 1 minus the distance from their middle in widths of
    that range: 1 in the middle, 0.5 at its ends, 0 at most. Where q1 = q3, the distance counts in middles and anything
    below 1 is odd. An image with a score below ``below`` is rejected (``odd_size``), or with ``action: flag`` noted in
    the dataset's decisions. Any dtype; boxes play no part.

    Source: CleanVision 0.3.7, issue ``odd_size``.
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy",)
    example: ClassVar[Mapping[str, Any]] = {"below": 0.5}

    below: Fraction = 0.5
    action: Literal["reject", "flag"] = "reject"

    @property
    def flags(self) -> frozenset[str]:
        return frozenset({"odd_size"} if self.action == "flag" else ())

    @property
    def columns(self) -> tuple[str, ...]:
        return ("width", "height")

    def decide(self, table: pa.Table) -> pa.Table:
        sides = [np.asarray(table.column(name).to_numpy(), dtype=np.float64) for name in self.columns]
        sizes = np.sqrt(sides[0] * sides[1])
        if not len(sizes):
            return scored(table, np.zeros(0, dtype=bool), sizes, 0.0, "odd_size", "")
        q1, q3 = np.percentile(sizes, [25, 75])
        low, high = q1 - REACH * (q3 - q1), q3 + REACH * (q3 - q1)
        scores = _scores(sizes, float(low), float(high))
        limit = self.below if high > low else 1.0
        said = f"its size is far from the usual, a sqrt(width x height) of {max(0, low):.0f} to {high:.0f} px"
        return scored(table, scores < limit, scores, limit, "odd_size", said)


def _scores(sizes: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    middle = (low + high) / 2
    return np.asarray(1 - np.minimum(1, np.abs(sizes - middle) / (high - low if high > low else middle)))
