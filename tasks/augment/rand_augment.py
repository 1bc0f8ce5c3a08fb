"""Rand augment: a few operations, all of one strength."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from tasks.augment.policy import RAND_AUGMENT, described, drawn_level, member, members
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Composer, Draws, Params, Random, Range, Step, perform, within


class RandAugment(Random, Composer):
    """Do some of fourteen operations, all at one strength.

    ``n`` (1 to 14) are drawn one after the other, all alike and one perhaps twice: none, shear_x, shear_y (to 17
    degrees), translate_x, translate_y (to 0.45 of the side), rotate (to 30 degrees), brightness (to 0.45), saturation,
    contrast (to 0.9), sharpness, posterize (8 to 4 bits), solarize, autocontrast and equalize; their direction is drawn
    too. ``magnitude`` (0 to 30, which is full strength; a number, or [low, high] to draw from) is their strength. What
    opens is black. Every dtype is kept. Boxes go with the geometric ones.

    Source: Cubuk et al. 2020, "RandAugment: practical automated data augmentation with a reduced search space";
    torchvision ``RandAugment`` (where brightness is a factor).
    """

    n: Annotated[int, Field(ge=1, le=14)] = 2
    magnitude: Annotated[Range, within(0, 30)] = Range(9, 9)

    @property
    def steps(self) -> Sequence[Step]:
        return [step for layer in range(self.n) for step in members("rand_augment", f"{layer + 1}_")]

    def canonical(self) -> dict[str, Any]:
        return {**super().canonical(), "members": described(members("rand_augment"))}

    def draw(self, rng: Generator, sample: Sample) -> Params:
        level, names = float(rng.uniform(*self.magnitude)) / 30, list(RAND_AUGMENT)
        drawn = [names[int(rng.integers(len(names)))] for _ in range(self.n)]
        return {"layers": [[name, drawn_level(rng, RAND_AUGMENT[name], level)] for name in drawn]}

    def compose(self, sample: Sample, path: str, draws: Draws, **params: Any) -> Sample:
        for layer, (name, level) in enumerate(params["layers"], start=1):
            if name != "identity":
                step = Step(id=f"{layer}_{name}", operation=member(RAND_AUGMENT[name], level))
                sample = perform(step, sample, f"{path}/{step.id}", draws)
        return sample
