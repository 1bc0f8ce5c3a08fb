"""Moments and levels of a collection: NumPy's over all pixels, whatever the order and the parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.image import levels, moments
from tests.tasks.images import RANGES


def images(dtype: str, offset: float = 0.0) -> list[NDArray[Any]]:
    rng = np.random.default_rng(3)
    top = {"uint8": 256, "uint16": 65_536}.get(dtype)
    shapes = [(int(n), 3) for n in rng.integers(1, 700, 40)]
    made = [rng.integers(0, top, shape) if top else rng.normal(offset, 0.3, shape) for shape in shapes]
    return [one.astype(dtype) for one in made]


@pytest.mark.parametrize("dtype", sorted(RANGES))
def test_moments_are_numpys_to_12_digits_and_the_order_does_not_count(dtype: str) -> None:
    parts = [moments.moments(one) for one in images(dtype)]
    pixels = np.concatenate(images(dtype)).astype(np.float64) / RANGES[dtype]
    means, deviations = moments.merged(parts)
    assert np.allclose(means, pixels.mean(axis=0), rtol=1e-12, atol=1e-15)
    assert np.allclose(deviations, pixels.std(axis=0), rtol=1e-12, atol=0)
    assert moments.merged(reversed(parts)) == (means, deviations)


def test_a_large_mean_takes_no_digits_from_the_deviation() -> None:
    far = images("float32", offset=1000.0)
    _, deviations = moments.merged([moments.moments(one) for one in far])
    assert np.allclose(deviations, np.concatenate(far).astype(np.float64).std(axis=0), rtol=1e-12, atol=0)


def test_bytes_and_the_same_values_in_16_bits_are_one_collection() -> None:
    bytes_ = images("uint8")
    wide = [one.astype(np.uint16) * 257 for one in bytes_]
    mixed = [*wide[:20], *bytes_[20:]]
    for of in (moments, levels):
        count = getattr(of, of.__name__.rpartition(".")[2])
        assert str(of.merged([count(one) for one in mixed])) == str(of.merged([count(one) for one in bytes_]))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_percentiles_of_integers_are_numpys(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "HELD", 5_000)  # so that they are added up on the way
    found = levels.merged([levels.levels(one) for one in images(dtype)])
    pixels = np.concatenate(images(dtype)).astype(np.float64) / RANGES[dtype]
    for share in (0.0, 0.5, 37.3, 99.5, 100.0):
        got = [levels.percentile(one, share) for one in found]
        assert np.allclose(got, np.percentile(pixels, share, axis=0), rtol=1e-12, atol=1e-15)


def test_percentiles_of_float32_are_within_an_8192th() -> None:
    found = levels.merged([levels.levels(one) for one in images("float32", offset=-2.0)])
    wanted = np.percentile(np.concatenate(images("float32", offset=-2.0)), 30, axis=0)
    assert np.allclose([levels.percentile(one, 30) for one in found], wanted, rtol=1 / 8192, atol=0)
