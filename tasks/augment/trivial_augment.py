"""Trivial augment: one operation, of any strength."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.augment.policy import TRIVIAL_AUGMENT, described, drawn_level, member, members
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Composer, Draws, Params, Random, Step, perform


class TrivialAugment(Random, Composer):
    """Do one of fourteen operations, at a strength drawn for it.

    None, shear_x, shear_y (to 45 degrees), translate_x, translate_y (to a quarter of the side), rotate (to 135
    degrees), brightness (to 0.5), saturation, contrast (to 0.99), sharpness, posterize (8 to 2 bits), solarize,
    autocontrast and equalize are drawn alike, their strength and direction uniformly. Nothing is to be set but ``p``.
    What opens is black. Every dtype is kept. Boxes go with the geometric ones.

    Source: Müller and Hutter 2021, "TrivialAugment: tuning-free yet state-of-the-art data augmentation"; torchvision
    ``TrivialAugmentWide`` (31 steps of strength; translates by 32 px; brightness is a factor).
    """

    @property
    def steps(self) -> Sequence[Step]:
        return members("trivial_augment")

    def canonical(self) -> dict[str, Any]:
        return {**super().canonical(), "members": described(members("trivial_augment"))}

    def draw(self, rng: Generator, sample: Sample) -> Params:
        name = list(TRIVIAL_AUGMENT)[int(rng.integers(len(TRIVIAL_AUGMENT)))]
        return {"choice": name, "level": drawn_level(rng, TRIVIAL_AUGMENT[name], float(rng.random()))}

    def compose(self, sample: Sample, path: str, draws: Draws, **params: Any) -> Sample:
        name, level = params["choice"], params["level"]
        if name == "identity":
            return sample
        return perform(Step(id=name, operation=member(TRIVIAL_AUGMENT[name], level)), sample, f"{path}/{name}", draws)
