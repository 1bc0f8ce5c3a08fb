"""Grid distortion: cells that grow and shrink."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.augment.warp import Warp
from tasks.image.geometry import Size
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params, Range, within


class GridDistortion(Warp):
    """Stretch and squeeze the columns and rows of a grid.

    The image is cut into ``cells`` columns and as many rows; the width of each column and the height of each row
    changes by 1 + ``distortion``, drawn for each (-0.9 to 0.9; a number, or [low, high]), and all are scaled together
    so that the image still fills its canvas: ``border`` and ``fill`` are never seen. Every dtype is kept. Boxes move
    with the pixels, to half a pixel.

    Source: Albumentations ``GridDistortion`` (``num_steps``, ``distort_limit``, ``normalized``).
    """

    cells: Annotated[int, Field(ge=2, le=100)] = 5
    distortion: Annotated[Range, within(-0.9, 0.9)] = Range(-0.3, 0.3)

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {axis: rng.uniform(*self.distortion, self.cells).tolist() for axis in ("x", "y")}

    def field(self, size: Size, **params: Any) -> NDArray[np.float32]:
        across, down = (_shift(side, params[axis]) for side, axis in zip(size, ("x", "y"), strict=True))
        return np.stack(np.meshgrid(across, down), axis=2).astype(np.float32)


def _shift(side: int, distortion: list[float]) -> NDArray[np.float64]:
    """Give how far from each pixel's center lies what it shows, along one axis."""
    ends = np.concatenate([[0.0], np.cumsum(1 + np.array(distortion))])
    centers = np.arange(side) + 0.5
    return np.asarray(np.interp(centers, ends * (side / ends[-1]), np.linspace(0.0, side, len(ends))) - centers)
