"""Percentiles of an image's values, quickly: integers are counted, not sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from tasks.image.render import value_range
from tasks.image.sample import Pixels
from tasks.operation import Range


def _sensible(shares: Range) -> Range:
    if not 0 <= shares.low < shares.high <= 100:
        raise ValueError(f"expected percentiles with 0 <= low < high <= 100, got {list(shares)}")
    return shares


Percentiles = Annotated[Range, AfterValidator(_sensible)]
Per = Literal["image", "channel"]


def percentiles(pixels: Pixels, shares: Sequence[float], per: Per) -> list[tuple[float, ...]]:
    """Give, for each share (0 to 100), the percentile of each channel, or one for all, as a fraction of the range.

    Equal to ``numpy.percentile``, which interpolates between the nearest ranks.
    """
    columns = pixels.reshape(-1, pixels.shape[2] if per == "channel" else 1)
    if pixels.dtype.kind != "u":
        return [tuple(map(float, row)) for row in np.percentile(columns.astype(np.float64), shares, axis=0)]
    scale = value_range(pixels.dtype)
    found = np.stack([_counted(column, shares, int(scale) + 1) for column in columns.T], axis=1) / scale
    return [tuple(map(float, row)) for row in found]


def _counted(values: NDArray[np.unsignedinteger], shares: Sequence[float], levels: int) -> NDArray[np.float64]:
    below = np.cumsum(np.bincount(values, minlength=levels))
    ranks = np.asarray(shares) / 100 * (len(values) - 1)
    first = np.floor(ranks).astype(np.int64)
    low, high = np.searchsorted(below, first, "right"), np.searchsorted(below, np.ceil(ranks), "right")
    return np.asarray(low + (high - low) * (ranks - first))
