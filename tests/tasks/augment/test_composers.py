"""One of, some of, sequence, augment."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.augment.augment import Augment
from tasks.errors import Rejected
from tasks.image.geometry import Size
from tasks.image.sample import Sample
from tasks.operation import KeyedDraws, RecordedDraws, Step
from tasks.pipeline.rewrite import settles
from tests.tasks.images import make, picture, run, sample, step

MEMBERS = ["hflip", {"rotate": {"degrees": [-9, 9]}}, "brightness_contrast", {"gaussian_blur": {"sigma": 1}}]


def expand(augment: Step, start: Sample, seed: int = 7) -> list[Sample]:
    assert isinstance(augment.operation, Augment)
    ends = settles([(augment.id, augment.operation)])
    return augment.operation.expand(start, augment.id, KeyedDraws(seed, ends))


def test_one_of_draws_each_alike_and_names_the_path_it_took() -> None:
    one, seen = step("one_of", transforms=MEMBERS, p=0.8), Counter[str]()
    start = sample(np.zeros((4, 4, 1), np.uint8))
    for seed in range(2000):
        steps = [done.step for done in run([one], start, KeyedDraws(seed)).lineage]
        seen[steps[-1] if steps else "none"] += 1
    assert abs(seen["none"] / 2000 - 0.2) < 0.03
    assert abs(seen["one_of/rotate"] / 2000 - 0.2) < 0.03
    assert abs(seen["one_of/hflip"] / 2000 - 0.1) < 0.03  # its own p is 0.5


def test_some_of_does_none_twice_and_keeps_the_order_written() -> None:
    some = step("some_of", n=[1, 3], transforms=["vflip", "rotate", "brightness_contrast"])
    counts = Counter[int]()
    for seed in range(900):
        indices = run([some], sample(np.zeros((4, 4, 1), np.uint8)), KeyedDraws(seed)).lineage[0].params["indices"]
        assert indices == sorted(set(indices))
        counts[len(indices)] += 1
    assert set(counts) == {1, 2, 3} and min(counts.values()) > 240


def test_composers_say_what_is_known_before_any_image() -> None:
    assert make("one_of", transforms=["hflip", "rotate"]).fixed_size(Size(5, 4)) == (5, 4)
    assert make("one_of", transforms=[{"resize": {"size": 9}}, {"center_crop": {"size": 9}}]).fixed_size(None) == (9, 9)
    assert make("one_of", p=0.5, transforms=[{"resize": {"size": 9}}]).fixed_size(Size(5, 4)) is None
    assert make("some_of", transforms=[{"resize": {"size": 9}}]).fixed_size(Size(9, 9)) == (9, 9)
    assert make("sequence", transforms=[{"resize": {"size": 9}}, "rotate"]).fixed_size(None) == (9, 9)
    assert make("sequence", transforms=["grayscale", "normalize"]).fixed_channels(3) == 1
    assert make("sequence", transforms=["grayscale", "normalize"]).gives("uint8") == "float32"
    assert make("augment", transforms=[{"resize": {"size": 9}}]).fixed_size(Size(5, 5)) is None
    assert make("augment", transforms=[{"resize": {"size": 9}}], original=False).fixed_size(Size(5, 5)) == (9, 9)


def test_a_dtype_by_chance_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="one_of would give float32 or uint8 by chance for uint8"):
        make("one_of", transforms=["hflip", "normalize"])
    with pytest.raises(ValidationError, match="augment would give float32 or uint8 by chance"):
        make("augment", transforms=["normalize"])
    assert make("augment", transforms=["normalize"], original=False).gives("uint8") == "float32"
    with pytest.raises(ValidationError, match="expected n with 0 <= low <= high <= 1 transforms"):
        make("some_of", n=2, transforms=["hflip"])


def test_augment_gives_the_original_and_numbered_copies() -> None:
    start = sample(picture())
    augment = step("augment", id="augmented", copies=3, transforms=MEMBERS)
    made = expand(augment, start)
    assert made[0] is start
    assert [(one.copy, one.suffix) for one in made] == [(0, "")] + [(n, f".augmented:{n}") for n in (1, 2, 3)]
    assert len({one.picture().tobytes() for one in made}) == 4
    assert augment.operation.rows() == 4  # type: ignore[attr-defined]
    alone = step("augment", id="augmented", copies=3, original=False, transforms=MEMBERS)
    assert [one.picture().tobytes() for one in expand(alone, start)] == [one.picture().tobytes() for one in made[1:]]


def test_draws_do_not_depend_on_order_or_on_other_copies() -> None:
    few = expand(step("augment", copies=2, transforms=MEMBERS), sample(picture()))
    many = expand(step("augment", copies=5, transforms=MEMBERS), sample(picture()))
    assert [one.lineage for one in few] == [one.lineage for one in many[:3]]
    draws = KeyedDraws(7)
    rotate = step("rotate")
    params = {n: draws.params(rotate.operation, replace(sample(picture()), copy=n), "a/rotate") for n in (1, 2, 3)}
    again = {n: draws.params(rotate.operation, replace(sample(picture()), copy=n), "a/rotate") for n in (3, 1, 2)}
    assert params == again and len({str(one) for one in params.values()}) == 3
    other = draws.params(rotate.operation, sample(picture(), b"other", copy=1), "a/rotate")
    assert other != params[1]


def test_copies_of_copies_draw_apart() -> None:
    first = expand(step("augment", id="a", copies=2, transforms=["rotate"]), sample(picture()))[1:]
    second = [
        one for copy in first for one in expand(step("augment", id="b", transforms=["rotate"], original=False), copy)
    ]
    assert [one.suffix for one in second] == [".a:1.b:1", ".a:2.b:1"]
    assert second[0].lineage[-1].params != second[1].lineage[-1].params


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**62))
def test_replaying_the_recorded_draws_gives_the_same_bytes(seed: int) -> None:
    nested = [
        {"one_of": {"transforms": ["hflip", {"rotate": {"degrees": [-9, 9]}}, {"gaussian_blur": {"sigma": 1}}]}},
        {"some_of": {"n": [0, 2], "transforms": ["vflip", {"sequence": {"transforms": ["rotate", "rot90"]}}]}},
        "brightness_contrast",
    ]
    augment = step("augment", copies=2, transforms=nested)
    ends = settles([(augment.id, augment.operation)])
    start = sample(picture(40, 30))
    for made in expand(augment, start, seed)[1:]:
        recorded = {done.step: json.loads(json.dumps(done.params)) for done in made.lineage}
        replayed = augment.operation.expand(start, "augment", RecordedDraws(recorded, ends))[1]  # type: ignore[attr-defined]
        assert replayed.picture().tobytes() == made.picture().tobytes()
        assert replayed.lineage == made.lineage


def test_a_copy_that_is_rejected_is_left_out_and_noted() -> None:
    shrink_or_not = {"one_of": {"transforms": [{"crop": {"box": [500, 0, 5, 5]}}, "vflip"]}}
    start = sample(picture())
    made = expand(step("augment", copies=8, transforms=[shrink_or_not]), start)
    lost = [done for done in made[0].lineage if done.operation == "rejected"]
    assert 0 < len(lost) < 8 and len(made) == 9 - len(lost)
    assert lost[0].step == "augment" and lost[0].params["reason"] == "outside_image"
    assert {done.params["row"] for done in lost} | {one.suffix for one in made[1:]} == {
        f".augment:{n}" for n in range(1, 9)
    }
    always = step("augment", copies=2, original=False, transforms=[{"crop": {"box": [500, 0, 5, 5]}}])
    with pytest.raises(Rejected, match="lies outside"):
        expand(always, start)
    assert np.array_equal(
        expand(step("augment", transforms=[{"crop": {"box": [500, 0, 5, 5]}}]), start)[0].picture(), picture()
    )


def test_augment_takes_1_to_1000_copies_of_at_least_one_transform() -> None:
    for wrong in ({"copies": 0}, {"copies": 1001}, {"transforms": []}):
        with pytest.raises(ValidationError):
            make("augment", **{"transforms": ["hflip"], **wrong})
