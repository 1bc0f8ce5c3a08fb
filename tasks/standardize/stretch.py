"""Stretch: the whole range for what lies between two percentiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.image.sample import Curve, Sample
from tasks.operation import Pointwise, Range
from tasks.standardize.percentiles import Per, Percentiles, percentiles


class Stretch(Pointwise):
    """Stretch the contrast between two percentiles to the whole range.

    The values at ``percentiles`` [low, high] (0 to 100) of the image become 0 and 1 of the range; what lies beyond is
    clipped, in float32 too. ``per``: all channels of the ``image`` together, which keeps colours, or each ``channel``
    for itself. A flat image stays as it is. Every dtype is kept. Boxes do not change.

    Source: scikit-image ``exposure.rescale_intensity`` with percentiles as ``in_range``; ImageJ "Enhance Contrast"
    (which saturates 0.35 % in all).
    """

    percentiles: Percentiles = Range(2, 98)
    per: Per = "image"

    @property
    def measured(self) -> bool:
        return True

    def apply(self, sample: Sample, **params: Any) -> Sample:
        sample = sample.settled()
        low, high = percentiles(sample.picture(), self.percentiles, self.per)
        return sample.curved(Curve(self, (("low", low), ("high", high)), sample.dtype))

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        """Give (value - low) / (high - low), clipped, for tuples with a number for each channel, or one for all."""
        return stretched(values, params["low"], params["high"])


def stretched(values: NDArray[np.float64], low: tuple[float, ...], high: tuple[float, ...]) -> NDArray[np.float64]:
    """Take ``low`` to 0 and ``high`` to 1, clipped; channels where they are equal stay as they are."""
    least, spread = np.array(low), np.array(high) - np.array(low)
    flat = spread <= 0
    moved = np.clip((values - least) / np.where(flat, 1.0, spread), 0.0, 1.0)
    return np.where(flat, values, moved)
