"""Solarize: light becomes dark, dark stays."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tasks.operation import RandomPointwise, Range, Ranged, within


class Solarize(Ranged, RandomPointwise):
    """Invert the values from a threshold on.

    Values of at least ``threshold`` (0 to 1, a fraction of the range; a number, or [low, high] to draw from) become 1
    minus themselves. Every dtype is kept; float32 is not clipped. Boxes do not change.

    Source: Pillow ``ImageOps.solarize`` and torchvision ``RandomSolarize`` (whose 128 is 128/255), Albumentations
    ``Solarize``.
    """

    threshold: Annotated[Range, within(0, 1)] = Range(0.5, 0.5)

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        return np.where(values >= params["threshold"] - 1e-9, 1 - values, values)
