"""Erasing: a part of the image is missing."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tasks.augment.windows import window
from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.image.values import from_fractions
from tasks.operation import Fraction, Params, RandomFilter, Range, within


class Erasing(RandomFilter):
    """Erase a part.

    The part's share of the area is drawn from ``scale`` (0.0001 to 1), its width / height from ``ratio`` (0.01 to 100;
    uniformly in the logarithm), its place uniformly, and it becomes ``fill``, a fraction of the range; where ten
    trials do not fit, nothing is erased. Happens always unless ``p`` says otherwise. Every dtype is kept. Boxes stay,
    also where they are covered.

    Source: Zhong et al. 2020, "Random erasing data augmentation"; torchvision ``RandomErasing`` (whose p is 0.5).
    """

    scale: Annotated[Range, within(1e-4, 1)] = Range(0.02, 0.33)
    ratio: Annotated[Range, within(0.01, 100)] = Range(0.3, 3.3)
    fill: Fraction = 0.0

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {"box": window(rng, sample.size, self.scale, self.ratio)}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return erased(pixels, [params["box"]] if params["box"] else [], self.fill)


def erased(pixels: Pixels, boxes: list[list[int]], fill: float) -> Pixels:
    """Fill boxes [x, y, width, height] with a fraction of the range."""
    made = pixels.copy()
    value = from_fractions(np.array(fill), pixels.dtype)
    for x, y, width, height in boxes:
        made[y : y + height, x : x + width] = value
    return made
