"""Entropy: how much the gray values tell."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.extract.planes import LEVELS, deep_gray
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature


class Entropy(Feature):
    """Measure the Shannon entropy of the gray values, in bits.

    Values (Rec. 601 at 16 bits, float32 clipped, so every dtype gives the same) fall into ``bins`` (2 to 65536) equal
    parts of the range; 256 are those of 8 bits. It is 0 for a flat image and log2(bins) at most. Boxes play no part.

    Source: Shannon 1948; scikit-image ``measure.shannon_entropy``.
    """

    bins: Annotated[int, Field(ge=2, le=LEVELS)] = 256

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        counts = np.bincount(deep_gray(pixels).ravel().astype(np.int64) * self.bins // LEVELS)
        shares = counts[counts > 0] / counts.sum()
        return np.array([abs((shares * np.log2(shares)).sum())], dtype=np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        return ["bits"]
