"""Window: the part of the range that a reader looks at."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.image.render import value_range
from tasks.image.sample import Curve, Sample
from tasks.operation import Pointwise


class Window(Pointwise):
    """Show a window of the range: center and width, as radiologists set them.

    ``center`` (-1 to 2) and ``width`` (above 0, to 3) are fractions of the value range: for stored values c and w they
    are c / 65535 and w / 65535 at 16 bits. ``function``: ``linear_exact`` takes center - width / 2 to 0 and center +
    width / 2 to 1; ``linear`` is DICOM's default, whose upper end is one stored level lower (the same in float32, which
    has no levels); ``sigmoid`` is 1 / (1 + exp(-4 (value - center) / width)). Values outside the window
    are clipped, in float32 too. Every dtype is kept. Boxes do not change.

    Source: DICOM PS3.3 C.11.2.1.2 (C.11.2.1.3 for ``sigmoid`` and ``linear_exact``).
    """

    center: Annotated[float, Field(ge=-1, le=2)] = 0.5
    width: Annotated[float, Field(gt=0, le=3)] = 1.0
    function: Literal["linear_exact", "linear", "sigmoid"] = "linear_exact"

    def apply(self, sample: Sample, **params: Any) -> Sample:
        level = 1 / value_range(np.dtype(sample.dtype)) if sample.dtype != "float32" else 0.0
        return sample.curved(Curve(self, (("level", level),), sample.dtype))

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        """Give the values in the window; ``level`` is one stored level as a fraction of the range."""
        if self.function == "sigmoid":
            return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - self.center) / self.width, -700, 700))))
        inside = params["level"] if self.function == "linear" else 0.0
        center, width = self.center - inside / 2, self.width - inside
        if width <= 0:  # a window of one level is a threshold
            return np.where(values > center, 1.0, 0.0)
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)
