"""Intensity statistics: how gray values are distributed."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.extract.planes import gray
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature

FLAT = 1e-6  # of the range: a smaller spread is rounding


class IntensityStatistics(Feature):
    """Describe gray values by mean, standard deviation, skewness, kurtosis and percentiles.

    Gray is Rec. 601 as fractions of the range, float32 not clipped; every dtype gives the same, to rounding. Kurtosis
    is the excess over a normal distribution's; it and skewness are 0 where the image is flat. ``percentiles`` (0 to
    100) are linearly interpolated; none gives the moments alone. Boxes play no part.

    Source: SciPy ``stats.describe`` (without bias correction); NumPy ``percentile``.
    """

    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], ...] = (1, 5, 25, 50, 75, 95, 99)

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        values = gray(pixels).ravel().astype(np.float64)
        mean = float(values.mean())
        rest = values - mean
        square = rest * rest
        std = float(np.sqrt(square.mean()))
        skewness = kurtosis = 0.0
        if std > FLAT:
            skewness = float((square * rest).mean()) / std**3
            kurtosis = float((square * square).mean()) / std**4 - 3
        ranked = np.percentile(values, self.percentiles) if self.percentiles else np.zeros(0)
        return np.array([mean, std, skewness, kurtosis, *ranked], dtype=np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        return ["mean", "std", "skewness", "kurtosis", *(f"percentile_{share:g}" for share in self.percentiles)]
