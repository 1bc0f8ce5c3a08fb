"""Windows: boxes of a drawn area and shape, as random crops and erased parts have them."""

from __future__ import annotations

import math

from tasks.image.geometry import Size
from tasks.image.randomness import Generator
from tasks.operation import Range

TRIALS = 10


def window(rng: Generator, size: Size, scale: Range, ratio: Range) -> list[int] | None:
    """Draw [x, y, width, height] inside an image: its share of the area from ``scale``, width / height from ``ratio``.

    The ratio is uniform in its logarithm. Nothing, where ten trials did not fit.

    Source: torchvision ``RandomResizedCrop.get_params`` (Szegedy et al. 2015, "Going deeper with convolutions").
    """
    width, height = size
    for _ in range(TRIALS):
        area = width * height * rng.uniform(*scale)
        shape = math.exp(rng.uniform(math.log(ratio.low), math.log(ratio.high)))
        across, down = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < across <= width and 0 < down <= height:
            x, y = rng.integers(0, width - across + 1), rng.integers(0, height - down + 1)
            return [int(x), int(y), across, down]
    return None
