"""Quantize: fewer levels, evenly spaced."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.operation import Pointwise


class Quantize(Pointwise):
    """Keep only some evenly spaced levels of the range.

    ``levels`` (2 to 65536) are spread over the whole range, black and white among them: level i is i / (levels - 1).
    ``rounding`` is to the ``nearest`` level or ``down`` to the one below. The dtype is kept, so a coarser one than the
    levels rounds again. float32 is not clipped. Boxes do not change. ``posterize`` keeps leading bits instead.

    Source: Gonzalez and Woods, "Digital Image Processing", 2.4 (uniform quantization).
    """

    levels: Annotated[int, Field(ge=2, le=65_536)] = 16
    rounding: Literal["nearest", "down"] = "nearest"

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        steps = self.levels - 1
        scaled = values * steps
        return np.asarray((np.rint(scaled) if self.rounding == "nearest" else np.floor(scaled + 1e-6)) / steps)
