"""Box safe crop: cut, but no box."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.augment.box_crop import BoxCrop
from tasks.image.geometry import Size
from tasks.image.randomness import Generator


class BoxSafeCrop(BoxCrop):
    """Cut from all sides, but never from a box.

    Of the width and of the height up to ``cut`` (a fraction below 1) is drawn to go, and how much of that goes from
    either end, in whole pixels; less where a box begins. Without boxes nothing else holds it back. A resize to a fixed
    size usually follows. Pixels of every dtype are copied, never resampled; boxes move with them, whole.

    Source: Albumentations ``BBoxSafeRandomCrop``.
    """

    shorthand: ClassVar[str | None] = "cut"

    cut: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def window(self, rng: Generator, size: Size, boxes: NDArray[np.float64]) -> list[int]:
        low = boxes[:, :2].min(axis=0, initial=np.inf).tolist()
        high = (boxes[:, :2] + boxes[:, 2:]).max(axis=0, initial=-np.inf).tolist()
        starts, sides = [], []
        for side, first, last in zip(size, low, high, strict=True):
            gone = int(rng.uniform(0, self.cut) * side)
            before = int(rng.integers(0, gone + 1))
            start, end = math.floor(min(before, first)), math.ceil(max(side - gone + before, last))
            starts.append(start)
            sides.append(end - start)
        return [*starts, *sides]
