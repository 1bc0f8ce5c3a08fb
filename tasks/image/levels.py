"""Percentiles of a collection: the levels of each image counted, the counts added, exactly for integer dtypes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.image.render import value_range

HELD = 2_000_000  # levels gathered before equal ones are added up: bounds what merging holds
DROPPED = 11  # bits of a float32's fraction that are rounded away: levels are then within 1/8192 of the values

Levels = tuple[NDArray[np.float64], NDArray[np.float64]]  # values in order, how many of each


def levels(columns: NDArray[Any]) -> bytes:
    """Count the values (pixels x channels) of an image by level, as fractions of the dtype's range.

    Float64: for each channel the number of its levels, the levels, how many pixels have each. A float32 value counts
    for the nearest of 12 significant bits.
    """
    parts: list[NDArray[np.float64]] = []
    for channel in columns.T:
        if columns.dtype.kind == "u":
            counts = np.bincount(channel)
            found = np.flatnonzero(counts)
            values, counts = found / np.float64(value_range(columns.dtype)), counts[found]
        else:
            values, counts = np.unique(_rounded(channel), return_counts=True)
        parts += [np.array([len(values)]), np.asarray(values, np.float64), counts.astype(np.float64)]
    return np.concatenate(parts).tobytes()


def _rounded(values: NDArray[Any]) -> NDArray[np.float32]:
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.int32)
    return ((bits + (1 << (DROPPED - 1))) & ~((1 << DROPPED) - 1)).view(np.float32)


def merged(parts: Iterable[bytes]) -> list[Levels]:
    """Add up images' levels, channel by channel. ``parts`` has at least one."""
    held: list[list[Levels]] = []
    size = 0
    for part in parts:
        found = _channels(np.frombuffer(part, dtype=np.float64))
        held = held or [[] for _ in found]
        for channel, one in zip(held, found, strict=True):
            channel.append(one)
            size += len(one[0])
        if size > HELD:
            held = [[_added(channel)] for channel in held]
            size = sum(len(channel[0][0]) for channel in held)
    return [_added(channel) for channel in held]


def _channels(flat: NDArray[np.float64]) -> list[Levels]:
    found, at = [], 0
    while at < len(flat):
        count = int(flat[at])
        found.append((flat[at + 1 : at + 1 + count], flat[at + 1 + count : at + 1 + 2 * count]))
        at += 1 + 2 * count
    return found


def _added(parts: Sequence[Levels]) -> Levels:
    values, places = np.unique(np.concatenate([values for values, _ in parts]), return_inverse=True)
    weights = np.concatenate([counts for _, counts in parts])
    return values, np.bincount(places, weights).astype(np.float64)


def percentile(found: Levels, share: float) -> float:
    """Give a percentile (0 to 100) of all values, as ``numpy.percentile`` does: between the nearest ranks."""
    values, counts = found
    below = np.cumsum(counts)
    rank = share / 100 * (below[-1] - 1)
    low, high = (values[np.searchsorted(below, end, "right")] for end in (np.floor(rank), np.ceil(rank)))
    return float(low + (high - low) * (rank - np.floor(rank)))
