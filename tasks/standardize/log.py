"""Log: dark values further apart."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.operation import Pointwise


class Log(Pointwise):
    """Spread dark values by a logarithm.

    A value v, as a fraction of the range, becomes ``gain`` log2(1 + ``strength`` v) / log2(1 + ``strength``). ``gain``
    is 0 to 10; ``strength`` (above 0, to 10^6) says how much: 1 is scikit-image's curve, 1000 shows a spectrum.
    Negative float32 values keep their sign. Every dtype is kept; integers are clipped, float32 is not. Boxes do not
    change.

    Source: scikit-image ``exposure.adjust_log``; Gonzalez and Woods, "Digital Image Processing", 3.2.
    """

    gain: Annotated[float, Field(ge=0, le=10)] = 1.0
    strength: Annotated[float, Field(gt=0, le=1e6)] = 1.0

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        scale = self.gain / np.log1p(self.strength)
        return np.asarray(np.sign(values) * np.log1p(self.strength * np.abs(values)) * scale)
