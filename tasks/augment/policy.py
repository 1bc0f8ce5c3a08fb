"""Policy: the operations that automatic augmentation draws from, each with what full strength means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from tasks.image.randomness import Generator
from tasks.operation import Operation, Range, Step, shipped


class Choice(NamedTuple):
    """An operation whose ``field`` goes from ``weak`` to ``strong``, also below 0 where it is ``signed``."""

    operation: str
    field: str = ""
    strong: float = 0.0
    weak: float = 0.0
    signed: bool = False
    others: Mapping[str, float] = MappingProxyType({})


def space(shear: float, translate: float, rotate: float, colour: float, bits: float) -> dict[str, Choice]:
    """Give the fourteen choices of the papers by name: none, five geometric ones, and eight of values."""
    return {
        "identity": Choice(""),
        "shear_x": Choice("shear", "x", shear, signed=True),
        "shear_y": Choice("shear", "y", shear, signed=True, others={"x": 0.0}),
        "translate_x": Choice("translate", "x", translate, signed=True, others={"y": 0.0}),
        "translate_y": Choice("translate", "y", translate, signed=True, others={"x": 0.0}),
        "rotate": Choice("rotate", "degrees", rotate, signed=True),
        "brightness": Choice("brightness", "brightness", colour / 2, signed=True),
        "saturation": Choice("saturation", "saturation", colour, signed=True),
        "contrast": Choice("contrast", "contrast", colour, signed=True),
        "sharpness": Choice("unsharp_mask", "amount", 2 * colour),
        "posterize": Choice("posterize", "bits", bits, weak=8),
        "solarize": Choice("solarize", "threshold", 0.0, weak=1),
        "autocontrast": Choice("autocontrast"),
        "equalize": Choice("equalize"),
    }


RAND_AUGMENT = space(shear=17, translate=150 / 331, rotate=30, colour=0.9, bits=4)
TRIVIAL_AUGMENT = space(shear=45, translate=0.25, rotate=135, colour=0.99, bits=2)


def member(choice: Choice, level: float) -> Operation:
    """Give the operation of a choice at a level from 0 to 1, below 0 for the other direction of a signed one."""
    values: dict[str, Any] = dict(choice.others)
    if choice.field:
        value = choice.weak + abs(level) * (choice.strong - choice.weak)
        values[choice.field] = round(value) if choice.field == "bits" else math.copysign(value, level)
    if choice.operation == "rotate":
        values["degrees"] = Range(values["degrees"], values["degrees"])
    return shipped()[choice.operation](**values)


def drawn_level(rng: Generator, choice: Choice, level: float) -> float:
    """Give a level its drawn sign, where the choice has one."""
    return -level if choice.signed and rng.random() < 0.5 else level


@cache
def members(name: str, prefix: str = "") -> tuple[Step, ...]:
    """Give a space's operations at full strength, as steps: what is known of them before any is drawn."""
    choices = {"rand_augment": RAND_AUGMENT, "trivial_augment": TRIVIAL_AUGMENT}[name]
    return tuple(Step(id=prefix + key, operation=member(one, 1.0)) for key, one in choices.items() if one.operation)


def described(steps: tuple[Step, ...]) -> list[dict[str, Any]]:
    """Give what decides the results of members that are no parameters, for a fingerprint."""
    return [{"id": step.id, **step.operation.canonical()} for step in steps]
