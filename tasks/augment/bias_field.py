"""Bias field: the uneven light of a magnet, or of a microscope."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from tasks.augment.shades import multiplied
from tasks.image.randomness import Generator
from tasks.image.sample import Pixels, Sample
from tasks.operation import Params, RandomFilter


class BiasField(RandomFilter):
    """Multiply by a smooth field: the exponential of a polynomial.

    The polynomial in x and y (-1 to 1 over the image) is of ``order`` (0 to 6); its coefficients are drawn uniformly
    from -``strength`` to ``strength`` (0 to 2). Integers are rounded and clipped to their range, float32 is not
    clipped. Boxes do not change.

    Source: TorchIO ``RandomBiasField``; Van Leemput et al. 1999, "Automated model-based tissue classification of MR
    images of the brain".
    """

    strength: Annotated[float, Field(ge=0, le=2)] = 0.3
    order: Annotated[int, Field(ge=0, le=6)] = 3

    def draw(self, rng: Generator, sample: Sample) -> Params:
        count = (self.order + 1) * (self.order + 2) // 2
        return {"coefficients": rng.uniform(-self.strength, self.strength, count).tolist()}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        height, width = pixels.shape[:2]
        x = (2 * np.arange(width) + 1) / width - 1
        y = (2 * np.arange(height) + 1) / height - 1
        powers = [(i, j) for i in range(self.order + 1) for j in range(self.order + 1 - i)]
        terms = np.zeros((self.order + 1, self.order + 1))
        for (i, j), coefficient in zip(powers, params["coefficients"], strict=True):
            terms[j, i] = coefficient
        exponent = np.polynomial.polynomial.polygrid2d(y, x, terms)
        return multiplied(pixels, np.exp(exponent).astype(np.float32))
