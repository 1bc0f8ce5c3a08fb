"""Crop non-empty mask: a part of each image in which its mask says something."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.augment.random_crop import RandomCrop
from tasks.image.masks import moved
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params


class CropNonEmptyMask(RandomCrop):
    """Cut out a part that shows something of the mask.

    ``size`` is [width, height] in pixels; a number is a square. Of the pixels whose class index is neither 0 nor in
    ``ignore`` one is drawn, and a part of the image that holds it, in whole pixels. Images without such pixels, or
    without a mask, get a part from anywhere. A side that is too short is padded with ``fill``, a fraction of the value
    range, in a drawn place too. Pixels of every dtype are copied, never resampled; boxes are clipped.

    Source: Albumentations ``CropNonEmptyMaskIfExists`` (which refuses images that are too small).
    """

    ignore: tuple[Annotated[int, Field(ge=0, le=65_535)], ...] = ()

    def draw(self, rng: Generator, sample: Sample) -> Params:
        drawn = super().draw(rng, sample)
        shown = self._shown(sample)
        if len(shown):
            y, x = divmod(int(shown[rng.integers(len(shown))]), sample.size.width)
            for name, at, part, side in zip("xy", (x, y), self.size, sample.size, strict=True):
                if part < side:
                    drawn[name] = min(max(at - int(rng.integers(part)), 0), side - part)
        return drawn

    def _shown(self, sample: Sample) -> NDArray[Any]:
        """Give where in the flattened image the mask says something."""
        if sample.targets.mask is None:
            return np.zeros(0, dtype=np.intp)
        mask = moved(sample.targets.mask, sample.whole)
        return np.flatnonzero((mask != 0) & ~np.isin(mask, self.ignore))
