"""Trivial augment, rand augment, augmix, corruption: what they draw, and that it is what the operations do."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import numpy as np
import pytest

from tasks.augment.corruption import TABLES, Name
from tasks.augment.policy import RAND_AUGMENT, TRIVIAL_AUGMENT, member
from tasks.image.sample import Sample
from tasks.image.targets import Targets
from tasks.operation import KeyedDraws, Operation, Step
from tasks.pipeline.rewrite import settles
from tests.tasks.images import KINDS, done, fractions, make, picture, run, sample, step


def settled(operation: Operation, start: Sample, seed: int = 7) -> Sample:
    one = Step(id=operation.name(), operation=operation)
    return run([one], start, KeyedDraws(seed, settles([(one.id, operation)])))


def test_trivial_augment_draws_each_choice_and_strength_alike() -> None:
    start, seen, levels = sample(np.zeros((1, 1, 1), np.uint8)), Counter[str](), []
    for seed in range(1400):
        params = settled(make("trivial_augment"), start, seed).lineage[0].params
        seen[params["choice"]] += 1
        if params["choice"] in ("rotate", "shear_x", "contrast"):
            levels.append(params["level"])
    assert set(seen) == set(TRIVIAL_AUGMENT)
    assert (
        max(abs(count - 100) for count in seen.values()) < 4 * (1400 / 14 * 13 / 14) ** 0.5
    )  # 1 in 1000, all together
    ranks = np.sort(levels) / 2 + 0.5
    assert np.abs(ranks - np.arange(len(ranks)) / len(ranks)).max() < 1.95 / len(ranks) ** 0.5


@pytest.mark.parametrize(
    ("choice", "name", "parameters"),
    [
        ("shear_x", "shear", {"x": -22.5, "y": 0}),
        ("shear_y", "shear", {"x": 0, "y": -22.5}),
        ("translate_y", "translate", {"x": 0, "y": -0.125}),
        ("rotate", "rotate", {"degrees": [-67.5, -67.5]}),
        ("contrast", "contrast", {"contrast": -0.495}),
    ],
)
def test_a_level_is_a_part_of_full_strength(choice: str, name: str, parameters: dict[str, object]) -> None:
    assert member(TRIVIAL_AUGMENT[choice], -0.5) == make(name, **parameters)
    assert member(RAND_AUGMENT["posterize"], 1) == make("posterize", bits=4)
    assert member(RAND_AUGMENT["solarize"], 0.25) == make("solarize", threshold=0.75)


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_rand_augment_does_its_layers_one_after_the_other(dtype: str, channels: int) -> None:
    operation = make("rand_augment", n=3, magnitude=15)
    for seed in range(8):
        made = settled(operation, sample(picture(40, 30, dtype, channels)), seed)
        layers = made.lineage[0].params["layers"]
        assert len(layers) == 3 and {abs(level) for _, level in layers} == {0.5}
        ids = [f"rand_augment/{n}_{name}" for n, (name, _) in enumerate(layers, 1) if name != "identity"]
        assert [one.step for one in made.lineage[1:]] == ids
        if not any(name in ("rotate", "shear_x", "shear_y", "translate_x", "translate_y") for name, _ in layers):
            chained = sample(picture(40, 30, dtype, channels))
            for name, level in layers:
                if name != "identity":
                    chained = run([Step(id=name, operation=member(RAND_AUGMENT[name], level))], chained).settled()
            assert np.abs(fractions(made.picture()) - fractions(chained.picture())).max() <= 2 / 255


def test_boxes_go_with_a_policys_geometry() -> None:
    start = sample(picture(), targets=Targets(np.array([[20.0, 10.0, 30.0, 20.0]]), ("a",)))
    for seed in range(30):
        made = settled(make("trivial_augment"), start, seed)
        moved = made.lineage[0].params["choice"] in ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
        assert np.allclose(made.whole.matrix, np.eye(3)) != moved


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_augmix_is_a_mix_by_the_weights_drawn(dtype: str, channels: int) -> None:
    pixels = picture(40, 30, dtype, channels)
    made = run([step("augmix", width=2, depth=2)], sample(pixels))
    drawn = made.lineage[0].params
    assert sum(drawn["weights"]) == pytest.approx(1) and all(len(chain) == 2 for chain in drawn["chains"])
    wanted = (1 - drawn["share"]) * fractions(pixels)
    for weight, chain in zip(drawn["weights"], drawn["chains"], strict=True):
        chained = sample(pixels)
        for name, level in chain:
            chained = run([Step(id=name, operation=member(RAND_AUGMENT[name], level))], chained).settled()
        wanted += drawn["share"] * weight * fractions(chained.picture())
    assert np.abs(fractions(made.picture()) - wanted).max() <= (0.6 / 255 if dtype == "uint8" else 1e-4)


def test_augmix_moves_nothing_where_there_are_boxes() -> None:
    start = sample(picture(9, 9), targets=Targets(np.array([[2.0, 1.0, 3.0, 2.0]]), ("a",)))
    names = Counter(
        name
        for seed in range(50)
        for chain in run([step("augmix")], start, KeyedDraws(seed)).lineage[0].params["chains"]
        for name, _ in chain
    )
    assert set(names) == {"autocontrast", "equalize", "posterize", "solarize"}


def test_a_corruption_is_its_operation_with_the_tables_figure() -> None:
    pixels = picture(40, 30)
    assert set(TABLES) == set(get_args(Name)) and all(len(table) == 5 for _, table in TABLES.values())
    made = done("corruption", pixels, type="contrast", severity=3)
    assert np.array_equal(made, done("contrast", pixels, contrast=-0.8))
    noisy = run([step("corruption", severity=5)], sample(pixels))
    assert [(one.step, one.params.get("std")) for one in noisy.lineage] == [("corruption/gaussian_noise", 0.38)]
    for name in TABLES:
        weak, strong = (fractions(done("corruption", pixels, type=name, severity=n)) for n in (1, 5))
        errors = [np.abs(one - fractions(pixels)).mean() for one in (weak, strong)]
        assert 0 < errors[0] < errors[1], name


def test_members_are_part_of_the_fingerprint() -> None:
    for name in ("trivial_augment", "rand_augment", "augmix"):
        names = [one["name"] for one in make(name).canonical()["members"]]
        assert "posterize" in names and "rotate" in names and len(names) == 13
    assert make("corruption", type="fog").canonical()["members"][0]["parameters"]["density"] == [0.7, 0.7]
