"""Augmix: several chains of operations, mixed."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from tasks.augment.counts import Count, counted
from tasks.augment.policy import RAND_AUGMENT, described, drawn_level, member, members
from tasks.image.randomness import Generator
from tasks.image.render import Base
from tasks.image.sample import Pixels, Sample
from tasks.image.values import fractions, from_fractions
from tasks.operation import KeyedDraws, Params, RandomFilter, Step, perform

GEOMETRIC = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
OF_VALUES = ("autocontrast", "equalize", "posterize", "solarize")


class Augmix(RandomFilter):
    """Mix the image with several chains of operations on it.

    ``width`` chains (1 to 10) of ``depth`` operations (a whole number from 1 to 10, or [low, high] to draw from for
    each) start from the image: autocontrast, equalize, posterize, solarize, rotate, shear and translate (x or y), each
    at a strength drawn up to ``severity`` (0 to 10) tenths of full (that of ``rand_augment``). They are mixed with
    weights drawn from Dirichlet(``alpha``), and their mix with the image by a share drawn from Beta(alpha, alpha).
    Images with boxes or a mask get the first four alone: what is mixed from several places has none. Every dtype is
    kept; integers are rounded.

    Source: Hendrycks et al. 2020, "AugMix: a simple data processing method to improve robustness and uncertainty";
    torchvision ``AugMix``.
    """

    severity: Annotated[float, Field(ge=0, le=10)] = 3
    width: Annotated[int, Field(ge=1, le=10)] = 3
    depth: Annotated[Count, *counted(1, 10)] = Count(1, 3)
    alpha: Annotated[float, Field(gt=0, le=100)] = 1.0

    def canonical(self) -> dict[str, Any]:
        return {**super().canonical(), "members": described(members("rand_augment"))}

    def draw(self, rng: Generator, sample: Sample) -> Params:
        names = OF_VALUES if sample.targets else OF_VALUES + GEOMETRIC
        return {
            "weights": rng.dirichlet([self.alpha] * self.width).tolist(),
            "share": float(rng.beta(self.alpha, self.alpha)),
            "chains": [[self._operation(rng, names) for _ in range(self.depth.drawn(rng))] for _ in range(self.width)],
        }

    def _operation(self, rng: Generator, names: tuple[str, ...]) -> list[Any]:
        name = names[int(rng.integers(len(names)))]
        return [name, drawn_level(rng, RAND_AUGMENT[name], float(rng.uniform(0, self.severity / 10)))]

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        total = fractions(pixels) * np.float32(1 - params["share"])
        for weight, chain in zip(params["weights"], params["chains"], strict=True):
            total += fractions(_through(chain, pixels)) * np.float32(params["share"] * weight)
        return from_fractions(total, pixels.dtype)


def _through(chain: list[list[Any]], pixels: Pixels) -> Pixels:
    """Do operations at fixed levels, one by one: nothing is left to draw."""
    sample = Sample(Base(pixels))
    for name, level in chain:
        step = Step(id=name, operation=member(RAND_AUGMENT[name], level))
        sample = perform(step, sample, name, KeyedDraws(0)).settled()
    return sample.picture()
