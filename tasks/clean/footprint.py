"""The footprint of morphology: which neighbours count."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.operation import Filter

Radius = Annotated[int, Field(ge=0, le=100)]


class Morphology(Filter):
    """A filter that looks at the neighbours in a footprint; those outside the image do not count."""

    footprint: Literal["disk", "square", "diamond"] = "disk"
    radius: Radius = 1

    @property
    def element(self) -> NDArray[np.uint8]:
        """The footprint as ones and zeros, 2 x radius + 1 on a side."""
        return _element(self.footprint, self.radius)


@cache
def _element(footprint: str, radius: int) -> NDArray[np.uint8]:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    if footprint == "disk":
        return np.asarray(x * x + y * y <= radius * radius).astype(np.uint8)
    if footprint == "diamond":
        return np.asarray(abs(x) + abs(y) <= radius).astype(np.uint8)
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
