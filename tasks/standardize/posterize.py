"""Posterize: fewer bits."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params, RandomPointwise, Range, Ranged, within


def _whole(value: Range) -> Range:
    if not all(float(end).is_integer() for end in value):
        raise ValueError(f"expected whole numbers of bits, got {list(value)}")
    return value


class Posterize(Ranged, RandomPointwise):
    """Keep only the leading bits of the values.

    ``bits`` (1 to 8; a whole number, or [low, high] to draw one from, both ends included) are those of 8; the rest
    becomes 0, so white gets darker. Other dtypes are cut at the same fractions of their range, so they have as many
    levels. float32 is not clipped. Boxes do not change. ``quantize`` keeps black and white instead.

    Source: Pillow ``ImageOps.posterize``, torchvision ``RandomPosterize``; the default is Albumentations'.
    """

    bits: Annotated[Range, within(1, 8), AfterValidator(_whole)] = Range(4, 4)

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {"bits": int(rng.integers(int(self.bits.low), int(self.bits.high) + 1))}

    def curve(self, values: NDArray[np.float64], **params: Any) -> NDArray[np.float64]:
        step = 2 ** (8 - params["bits"]) / 255
        return np.asarray(np.floor(values / step + 1e-6) * step)
