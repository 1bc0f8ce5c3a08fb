"""What is drawn, for all operations of the package: p, ranges, replay. Fixed seeds; a false alarm: 1 in 1000."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tasks.image.sample import Sample
from tasks.image.targets import Targets
from tasks.operation import (
    DTYPES,
    Composer,
    Expander,
    KeyedDraws,
    Operation,
    Random,
    Range,
    Ranged,
    RecordedDraws,
    Step,
    perform,
    shipped,
)
from tasks.pipeline.rewrite import settles
from tests.tasks.images import make, picture, sample

KINDS_HERE = {name: kind for name, kind in sorted(shipped().items()) if kind.__module__.startswith("tasks.augment.")}
RANDOM = [name for name, kind in KINDS_HERE.items() if issubclass(kind, Random)]
RANGED = [
    (name, field)
    for name, kind in KINDS_HERE.items()
    if issubclass(kind, Ranged) and name != "photometric_distort"  # it records changes, tested beside it
    for field, info in kind.model_fields.items()
    if isinstance(info.default, Range) and info.default.low < info.default.high
]
BOXES = Targets(np.array([[4.0, 5.0, 12.0, 9.0], [20.0, 8.0, 10.0, 14.0]]), ("a", "b"))


def example(name: str, **more: Any) -> Operation:
    parameters = dict(KINDS_HERE[name].example)
    if "size" in parameters:
        parameters["size"] = [20, 16]
    return make(name, **{**parameters, **more})


@pytest.mark.parametrize("name", RANDOM)
def test_p_is_honoured(name: str) -> None:
    operation = example(name, p=0.3)
    assert isinstance(operation, Random) and operation.is_random
    start = sample(picture(40, 30), targets=BOXES)
    drawn = [KeyedDraws(seed).params(operation, start, name) for seed in range(400)]
    assert abs(sum(one is not None for one in drawn) / 400 - 0.3) < 3.3 * (0.3 * 0.7 / 400) ** 0.5
    assert len({json.dumps(one) for one in drawn if one}) != 1


@pytest.mark.parametrize(("name", "field"), RANGED)
def test_ranges_are_drawn_uniformly(name: str, field: str) -> None:
    """Kolmogorov and Smirnov: 1.95 is exceeded by chance once in 1000."""
    operation = example(name)
    assert isinstance(operation, Ranged)
    low, high = getattr(operation, field)
    start = sample(picture(4, 4))
    draws = [KeyedDraws(seed).params(operation, start, name) for seed in range(400)]
    ranks = np.sort([(one[field] - low) / (high - low) for one in draws if one])
    assert 0 <= ranks[0] and ranks[-1] <= 1
    assert np.abs(ranks - (np.arange(400) + 0.5) / 400).max() < 1.95 / 400**0.5


@pytest.mark.parametrize(
    "name", [name for name in KINDS_HERE if name not in ("augment", "one_of", "some_of", "sequence")]
)
def test_replaying_the_recorded_draws_gives_the_same_bytes(name: str) -> None:
    operation = example(name, **({"p": 1} if "p" in KINDS_HERE[name].model_fields else {}))
    ends = settles([(name, operation)])
    for dtype, channels, seed in zip(DTYPES, (3, 1, 3), (1, 2, 3), strict=True):
        start = sample(picture(40, 30, dtype, channels), targets=BOXES)
        for n, made in enumerate(_made(operation, name, start, KeyedDraws(seed, ends))):
            recorded = {one.step: json.loads(json.dumps(one.params, allow_nan=False)) for one in made.lineage}
            again = _made(operation, name, start, RecordedDraws(recorded, ends))[n]
            assert again.picture().tobytes() == made.picture().tobytes()
            assert again.lineage == made.lineage
            assert again.size == made.size and again.whole.size == made.size


def _made(operation: Operation, name: str, start: Sample, draws: Any) -> list[Sample]:
    if isinstance(operation, Expander):
        return operation.expand(start, name, draws)
    made = perform(Step(id=name, operation=operation), start, name, draws)
    steps = [one for one in made.lineage if one.step != "objects"]  # boxes that are covered are noted, too
    assert isinstance(operation, Composer) or len(steps) == 1
    return [made]
