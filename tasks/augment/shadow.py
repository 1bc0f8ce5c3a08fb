"""Shadow: of a pole, a wall or a tree, across the image."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.augment.shades import multiplied
from tasks.image.geometry import Size
from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.operation import Params, RandomFilter, Range, within


class Shadow(RandomFilter):
    """Lay a shadow across the image.

    A band between two drawn lines, from the upper to the lower side or from the left to the right, is darkened by
    ``strength`` (0 to 1; a number, or [low, high] to draw from): its values are multiplied by 1 - strength. Its edge is
    ``softness`` wide, a fraction of the short side. Every dtype is kept. Boxes do not change.

    Source: Albumentations ``RandomShadow`` (which draws polygons).
    """

    strength: Annotated[Range, within(0, 1)] = Range(0.3, 0.6)
    softness: Annotated[float, Field(ge=0, le=0.5)] = 0.02

    def draw(self, rng: Generator, sample: Sample) -> Params:
        ends = np.sort(rng.uniform(-0.25, 1.25, (2, 2)), axis=1)
        return {
            "strength": float(rng.uniform(*self.strength)),
            "axis": int(rng.integers(2)),
            "start": ends[0].tolist(),
            "end": ends[1].tolist(),
        }

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return multiplied(pixels, 1 - self._shade(Size(pixels.shape[1], pixels.shape[0]), **params))

    def _shade(self, size: Size, **params: Any) -> NDArray[np.float32]:
        """Give how much darker each pixel becomes, H x W: full between the lines, less over the soft edges."""
        across, along = (size.width, size.height) if params["axis"] == 0 else (size.height, size.width)
        at = ((np.arange(along) + 0.5) / along).astype(np.float32)
        position = (np.arange(across) + 0.5).astype(np.float32)
        soft = np.float32(max(1.0, self.softness * min(size)))
        shade = np.full((along, across), params["strength"], dtype=np.float32)
        for start, end, side in zip(params["start"], params["end"], (1, -1), strict=True):
            line = (start + (end - start) * at) * np.float32(across)
            shade *= np.clip((position - line[:, None]) * np.float32(side) / soft + np.float32(0.5), 0, 1)
        return shade if params["axis"] == 0 else np.ascontiguousarray(shade.T)
