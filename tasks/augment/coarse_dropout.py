"""Coarse dropout: holes in the image."""

from __future__ import annotations

from typing import Annotated, Any

from tasks.augment.counts import Count, counted
from tasks.augment.erasing import erased
from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.operation import Fraction, Params, RandomFilter, Range, within


class CoarseDropout(RandomFilter):
    """Cut holes into the image.

    ``holes`` (0 to 1000; a whole number, or [low, high] to draw from) boxes become ``fill``, a fraction of the range.
    The ``width`` and ``height`` of each are fractions of the image's, 0 to 1; a number, or [low, high] to draw from;
    each lies wholly in the image. One hole of fixed size is Cutout (whose hole may reach over the border). Every dtype
    is kept. Boxes stay, also where they are covered.

    Source: DeVries and Taylor 2017, "Improved regularization of convolutional neural networks with Cutout";
    Albumentations ``CoarseDropout``.
    """

    holes: Annotated[Count, *counted(0, 1000)] = Count(1, 8)
    width: Annotated[Range, within(0, 1)] = Range(0.05, 0.15)
    height: Annotated[Range, within(0, 1)] = Range(0.05, 0.15)
    fill: Fraction = 0.0

    def draw(self, rng: Generator, sample: Sample) -> Params:
        boxes = []
        for _ in range(self.holes.drawn(rng)):
            width = round(rng.uniform(*self.width) * sample.size.width)
            height = round(rng.uniform(*self.height) * sample.size.height)
            x, y = rng.integers(0, sample.size.width - width + 1), rng.integers(0, sample.size.height - height + 1)
            boxes.append([int(x), int(y), width, height])
        return {"boxes": boxes}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return erased(pixels, params["boxes"], self.fill)
