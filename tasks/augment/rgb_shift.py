"""RGB shift: more or less of each primary."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tasks.operation import RandomPointwise, Range, Ranged, within


class RgbShift(Ranged, RandomPointwise):
    """Add to red, green and blue, to each its own.

    ``red``, ``green`` and ``blue`` (-1 to 1, fractions of the range; a number, or [low, high] to draw from) are added
    to their channels. Gray images stay as they are. Integers are clipped to their range, float32 is not. Boxes do not
    change.

    Source: Albumentations ``RGBShift`` (whose 20 is 20/255).
    """

    red: Annotated[Range, within(-1, 1)] = Range(-0.08, 0.08)
    green: Annotated[Range, within(-1, 1)] = Range(-0.08, 0.08)
    blue: Annotated[Range, within(-1, 1)] = Range(-0.08, 0.08)

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        if values.shape[-1] == 1:
            return values
        return np.asarray(values + np.array([params["red"], params["green"], params["blue"]]))
