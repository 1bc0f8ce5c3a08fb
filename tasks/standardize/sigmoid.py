"""Sigmoid: more contrast in the middle, less at the ends."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.operation import Fraction, Pointwise


class Sigmoid(Pointwise):
    """Raise the contrast around a value by an S-shaped curve.

    A value v, as a fraction of the range, becomes 1 / (1 + exp(``gain`` (``cutoff`` - v))): ``cutoff`` becomes the
    middle, and ``gain`` (0 to 100) says how steep. Black and white are not reached, as in scikit-image. Every dtype is
    kept; float32 lies between 0 and 1 afterwards. Boxes do not change.

    Source: Braun and Fairchild 1999; scikit-image ``exposure.adjust_sigmoid``.
    """

    cutoff: Fraction = 0.5
    gain: Annotated[float, Field(ge=0, le=100)] = 10.0

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        return np.asarray(1 / (1 + np.exp(np.clip(self.gain * (self.cutoff - values), -700, 700))))
