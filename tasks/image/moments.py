"""Mean and standard deviation of a collection: counted an image at a time, merged exactly in any order.

An image's moments are its number of pixels, and the mean and the sum of squared deviations of each channel (integers
are summed exactly, then rounded once). Merging adds them by ``math.fsum``, whose result is the correctly rounded sum,
so neither order nor units nor workers show (Chan, Golub and LeVeque 1979, "Updating Formulae and a Pairwise Algorithm
for Computing Sample Variances").
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.image.render import value_range

BLOCK = 65_536  # images gathered at a time


def moments(columns: NDArray[Any]) -> bytes:
    """Give the moments of values (pixels x channels) as fractions of the range: float64 [n, means, squares]."""
    scale = int(value_range(columns.dtype)) if columns.dtype.kind == "u" else 1
    channels = np.ascontiguousarray(columns.T)  # sums along memory are pairwise
    if columns.dtype.kind == "u":
        found = [_counted(channel.astype(np.int64), scale) for channel in channels]
    else:
        found = [_summed(channel.astype(np.float64)) for channel in channels]
    means, squares = zip(*found, strict=True)
    return np.array([len(columns), *means, *squares], dtype=np.float64).tobytes()


def _counted(values: NDArray[np.int64], scale: int) -> tuple[float, float]:
    n, total, squares = len(values), int(values.sum()), int((values * values).sum())
    return total / (n * scale), (n * squares - total * total) / (n * scale * scale)


def _summed(values: NDArray[np.float64]) -> tuple[float, float]:
    mean = float(values.sum()) / len(values)
    return mean, float(((values - mean) ** 2).sum())


def merged(parts: Iterable[bytes]) -> tuple[list[float], list[float]]:
    """Give each channel's mean and (population) standard deviation over all images. ``parts`` has at least one."""
    waiting, blocks = iter(parts), []
    width = 0
    while some := list(islice(waiting, BLOCK)):
        width = len(some[0]) // 8
        blocks.append(np.frombuffer(b"".join(some), dtype=np.float64))
    rows = np.concatenate(blocks).reshape(-1, width)
    counts, channels = rows[:, 0], (rows.shape[1] - 1) // 2
    total = math.fsum(counts)
    means, deviations = [], []
    for mean, squares in zip(rows[:, 1 : channels + 1].T, rows[:, channels + 1 :].T, strict=True):
        middle = math.fsum(counts * mean) / total
        means.append(middle)
        deviations.append(math.sqrt(math.fsum(chain(squares, counts * (mean - middle) ** 2)) / total))
    return means, deviations
