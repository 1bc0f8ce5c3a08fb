"""Edge density: how many edges there are, how steep, and which way they run."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.extract.gradients import SOBEL, gradient, magnitude
from tasks.extract.lines import CannyLines
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature


class EdgeDensity(CannyLines, Feature):
    """Describe edges by how many there are, how steep, and which way they run.

    Components: ``density``, the share of pixels on a line of ``canny`` (with its ``sigma``, ``low`` and ``high``:
    by default found by the median rule); ``mean``, the mean of ``sobel``, 0 to 1; ``orientation.0`` and on: the
    shares of all steepness in ``orientations`` equal parts of 180 degrees, from the direction in which the image
    gets brighter, the first from 0 (to the right or left) counter-clockwise; all 0 where nothing is steep. Every
    dtype gives the same vector, but for rounding. Boxes play no part.

    Source: Canny 1986; the edge histogram of MPEG-7, without its blocks.
    """

    orientations: Annotated[int, Field(ge=1, le=180)] = 8

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        x, y = gradient(pixels, SOBEL)
        steepness = magnitude(x, y)
        angles = np.arctan2(-y, x) % np.float32(np.pi)  # rows count downwards
        parts = np.minimum((angles * (self.orientations / np.pi)).astype(np.intp), self.orientations - 1)
        sums = np.bincount(parts.ravel(), steepness.ravel(), minlength=self.orientations)
        total = sums.sum()
        shares = sums / total if total > 0 else sums
        return np.concatenate([[self.lines(pixels).mean(), steepness.mean()], shares]).astype(np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        return ["density", "mean", *(f"orientation.{part}" for part in range(self.orientations))]
