"""What every operation promises: documentation, dtype, size and channels, and never to write to what it is given."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from tasks.errors import Rejected
from tasks.operation import (
    Applied,
    Check,
    Composer,
    Expander,
    Feature,
    KeyedDraws,
    Mixing,
    Operation,
    Step,
    perform,
    shipped,
)
from tasks.pipeline.rewrite import settles
from tests.tasks.images import KINDS, make, picture, sample, size_of

NAMES = sorted(shipped())
SIZES = [(31, 23), (1, 1), (1, 9), (8, 1), (2, 2)]


def example(name: str) -> Operation:
    kind = shipped()[name]
    return make(name, **({"p": 1} if "p" in kind.model_fields else {}), **dict(kind.example))


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_says_what_it_does_and_where_it_comes_from(name: str) -> None:
    kind = shipped()[name]
    assert re.fullmatch(r"[A-Z][^\n]*\.", kind.summary()), kind.summary()
    assert len(kind.source()) > 5
    documented = kind.__doc__ or ""
    missing = [field for field in kind.model_fields if field not in ("p", "shares") and f"``{field}" not in documented]
    assert not missing, f"{name} does not document {missing}"


@pytest.mark.parametrize("name", NAMES)
def test_its_parameters_make_the_round_trip(name: str) -> None:
    operation = example(name)
    again = type(operation)(**{field: getattr(operation, field) for field in type(operation).model_fields})
    assert again.canonical() == operation.canonical()
    assert hash(again) == hash(operation)


def pictures() -> list[tuple[str, int, tuple[int, int]]]:
    return [(dtype, channels, size) for dtype, channels in KINDS for size in SIZES]


@pytest.mark.parametrize("name", NAMES)
def test_it_gives_the_dtype_size_and_channels_that_it_says_and_writes_to_nothing(name: str) -> None:
    operation = example(name)
    step = Step(id=name, operation=operation)
    draws = KeyedDraws(7, settles([(name, operation)]))
    for dtype, channels, size in pictures():
        if dtype not in operation.takes:
            continue
        pixels = picture(*size, dtype, channels)
        before = pixels.copy()
        pixels.setflags(write=False)
        start = sample(pixels)
        with suppress(Rejected):  # a verdict on an image is an answer too
            check(operation, step, start, draws)
        assert np.array_equal(pixels, before)


def check(operation: Operation, step: Step, start: Any, draws: KeyedDraws) -> None:
    pixels = start.picture()
    dtype, channels, size = pixels.dtype.name, pixels.shape[2], size_of(pixels)
    if isinstance(operation, (Applied, Composer, Expander, Mixing)):
        made = (
            operation.expand(start, step.id, draws)
            if isinstance(operation, Expander)
            else [perform(step, start, step.id, draws)]
        )
        for one in made:
            got = one.picture()
            assert got.dtype.name == one.dtype == operation.gives(dtype)
            assert size_of(got) == one.size and operation.fixed_size(size) in (None, one.size)
            assert operation.fixed_size(None) in (None, one.size)
            assert operation.fixed_channels(channels) in (None, got.shape[2])
            assert np.isfinite(got).all()
    elif isinstance(operation, Check):
        measures = operation.examine(start)
        assert tuple(measures) == operation.measures()
        assert all(type(value) is float and np.isfinite(value) for value in measures.values())
        operation.verdict(measures)
    elif isinstance(operation, Feature):
        try:
            names = operation.components(size, channels)
        except ValueError:
            return
        vector = operation.extract(pixels)
        assert vector.dtype == np.float32 and vector.shape == (len(names),) and np.isfinite(vector).all()
