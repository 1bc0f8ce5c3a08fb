"""Channel dropout: one colour is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Fraction, Params, Probability, RandomPointwise


class ChannelDropout(RandomPointwise):
    """Take one of the channels away.

    Happens with probability ``p`` (0.5): one channel, all alike, becomes ``fill``, a fraction of the range, everywhere.
    Gray images stay as they are. Every dtype is kept. Boxes do not change.

    Source: Albumentations ``ChannelDropout``.
    """

    p: Probability = 0.5
    fill: Fraction = 0.0

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {"channel": int(rng.integers(3))}

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        if values.shape[-1] == 1:
            return values
        return np.where(np.arange(3) == params["channel"], self.fill, values)
