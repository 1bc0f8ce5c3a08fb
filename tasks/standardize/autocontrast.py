"""Autocontrast: each channel over the whole range."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tasks.image.sample import Curve, Sample
from tasks.operation import RandomPointwise, Range, Ranged, within
from tasks.standardize.percentiles import percentiles
from tasks.standardize.stretch import stretched


class Autocontrast(Ranged, RandomPointwise):
    """Stretch each channel from its darkest to its lightest value over the whole range.

    ``cutoff`` is the percentage (0 to 49; a number, or [low, high] to draw from) of pixels at either end that does not
    count and is clipped, in float32 too. A flat channel stays as it is. Every dtype is kept. Boxes do not change.
    ``stretch`` does the same for all channels together.

    Source: Pillow ``ImageOps.autocontrast``, torchvision ``RandomAutocontrast``, Albumentations ``AutoContrast``.
    """

    cutoff: Annotated[Range, within(0, 49)] = Range(0, 0)

    @property
    def measured(self) -> bool:
        return True

    def apply(self, sample: Sample, **params: Any) -> Sample:
        sample = sample.settled()
        low, high = percentiles(sample.picture(), (params["cutoff"], 100 - params["cutoff"]), "channel")
        return sample.curved(Curve(self, (("low", low), ("high", high)), sample.dtype))

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        """Give (value - low) / (high - low), clipped, for tuples with a number for each channel."""
        return stretched(values, params["low"], params["high"])
