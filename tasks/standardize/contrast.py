"""Contrast: further from the middle of the range, or nearer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.operation import RandomPointwise, Range, Ranged, within


class Contrast(Ranged, RandomPointwise):
    """Raise or lower the contrast around the middle of the range.

    A value v, as a fraction of the range, becomes (v - 0.5) (1 + c) + 0.5; c is ``contrast`` (-1, which is flat, to 10;
    a number, or [low, high] to draw from). torchvision, Pillow and TensorFlow pivot at the image's mean instead.
    Integers are clipped to their range, float32 is not. Boxes do not change.

    Source: Albumentations ``RandomBrightnessContrast`` (which pivots at 0).
    """

    shorthand: ClassVar[str | None] = "contrast"
    example: ClassVar[Mapping[str, Any]] = {"contrast": 0.5}

    contrast: Annotated[Range, within(-1, 10)] = Range(-0.2, 0.2)

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        return np.asarray((values - 0.5) * (1 + params["contrast"]) + 0.5)
