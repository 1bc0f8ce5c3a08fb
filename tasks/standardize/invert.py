"""Invert: dark becomes light."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.operation import RandomPointwise, Ranged


class Invert(Ranged, RandomPointwise):
    """Make a negative: each value becomes 1 minus itself, as a fraction of the range.

    It happens always unless ``p`` says otherwise (torchvision and Albumentations: 0.5). Every dtype is kept; float32 is
    not clipped. Boxes do not change.

    Source: scikit-image ``util.invert``, Pillow ``ImageOps.invert``.
    """

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        return 1 - values
