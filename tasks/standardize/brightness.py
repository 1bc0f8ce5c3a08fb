"""Brightness: lighter or darker, all by the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.operation import RandomPointwise, Range, Ranged, within


class Brightness(Ranged, RandomPointwise):
    """Make the image lighter or darker.

    ``brightness`` (-1 to 1, a fraction of the range; a number, or [low, high] to draw from) is added to every value;
    torchvision and Pillow multiply by a factor instead. Integers are clipped to their range, float32 is not. Boxes do
    not change.

    Source: Albumentations ``RandomBrightnessContrast``, TensorFlow ``adjust_brightness``.
    """

    shorthand: ClassVar[str | None] = "brightness"
    example: ClassVar[Mapping[str, Any]] = {"brightness": 0.2}

    brightness: Annotated[Range, within(-1, 1)] = Range(-0.2, 0.2)

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        return np.asarray(values + params["brightness"])
