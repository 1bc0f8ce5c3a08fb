"""The tree of shards: the shortest bit prefixes whose expected bytes fit. It splits leaves as a collection grows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tasks.store.keys import ALL

DEPTH = 16  # bits counted in one histogram: 65,536 cells of 8 bytes, whatever the number of sources
Weights = NDArray[np.int64]


def histogram(heads: NDArray[np.uint64], weights: Weights) -> Weights:
    """Add up weights by the first ``DEPTH`` bits of 64-bit key heads."""
    cells = np.zeros(1 << DEPTH, dtype=np.int64)
    np.add.at(cells, (heads >> np.uint64(64 - DEPTH)).astype(np.int64), weights)
    return cells


def grow(cells: Weights, limit: int, rows_of: Callable[[str], tuple[NDArray[np.uint64], Weights]]) -> list[str]:
    """Give the prefixes of the tree in key order: each the shortest whose sum is at most ``limit``, or one source.

    ``rows_of`` gives heads and weights of the sources under one prefix of ``DEPTH`` bits, asked only where that
    prefix alone is over the limit. A prefix without weight has no shard.
    """
    sums = np.concatenate([[0], np.cumsum(cells)])

    def below(prefix: str, low: int, high: int) -> list[str]:
        total = int(sums[high] - sums[low])
        if total == 0:
            return []
        if total <= limit:
            return [prefix or ALL]
        if high - low == 1:
            return _deep(prefix, *rows_of(prefix), limit)
        middle = (low + high) // 2
        return below(prefix + "0", low, middle) + below(prefix + "1", middle, high)

    return below("", 0, len(cells))


def _deep(prefix: str, heads: NDArray[np.uint64], weights: Weights, limit: int) -> list[str]:
    if not len(heads):
        return []
    if int(weights.sum()) <= limit or len(heads) == 1 or len(prefix) == 64:
        return [prefix]
    ones = (heads >> np.uint64(63 - len(prefix))) & np.uint64(1) == 1
    return _deep(prefix + "0", heads[~ones], weights[~ones], limit) + _deep(
        prefix + "1", heads[ones], weights[ones], limit
    )
