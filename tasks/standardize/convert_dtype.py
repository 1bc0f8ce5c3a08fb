"""Convert dtype: the depth that values are stored in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.operation import Pointwise

SCALES = {"uint8": 255.0, "uint16": 65_535.0}


class ConvertDtype(Pointwise):
    """Store values in another dtype, as the same fractions of its range.

    ``dtype``: uint8 (0 to 255), uint16 (0 to 65535) or float32 (0 to 1). ``rounding`` is to the ``nearest`` value or
    ``down`` where the new dtype is coarser. Values outside the range are clipped by integers. Boxes do not change.

    Source: scikit-image ``img_as_ubyte``, ``img_as_uint``, ``img_as_float32`` (which shift 16 bits to 8 instead: within
    one level).
    """

    example: ClassVar[Mapping[str, Any]] = {"dtype": "uint8"}

    dtype: Literal["uint8", "uint16", "float32"]
    rounding: Literal["nearest", "down"] = "nearest"

    def gives(self, dtype: str) -> str:
        return self.dtype

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        if self.rounding == "nearest" or self.dtype == "float32":
            return values
        scale = SCALES[self.dtype]
        return np.asarray(np.floor(values * scale + 1e-6) / scale)
