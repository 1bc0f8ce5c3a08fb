"""Gamma: a power of the values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.operation import RandomPointwise, Range, Ranged, within


class Gamma(Ranged, RandomPointwise):
    """Raise the values to a power.

    A value v, as a fraction of the range, becomes v to the power of ``gamma`` (0.01 to 100; a number, or [low, high] to
    draw from): below 1 it brightens, above 1 it darkens. Negative float32 values keep their sign; nothing is clipped.
    Every dtype is kept. Boxes do not change.

    Source: scikit-image ``exposure.adjust_gamma``, torchvision ``adjust_gamma``; the default range is that of
    Albumentations ``RandomGamma`` (which writes it in percent).
    """

    shorthand: ClassVar[str | None] = "gamma"
    example: ClassVar[Mapping[str, Any]] = {"gamma": 0.5}

    gamma: Annotated[Range, within(0.01, 100)] = Range(0.8, 1.2)

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        return np.asarray(np.sign(values) * np.abs(values) ** params["gamma"])
