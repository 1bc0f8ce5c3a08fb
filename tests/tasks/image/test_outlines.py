"""Outlines hold exactly the pixels of a mask, and COCO's run lengths are read as pycocotools writes them."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as reference
from skimage.measure import points_in_poly

from tasks.image.geometry import signed_area
from tasks.image.outlines import from_runs, outlines, unpacked

masks = arrays.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 1))


def runs_of(mask: np.ndarray) -> list[int]:
    """Down the columns, zeros first."""
    found = [(value, len(list(run))) for value, run in groupby(mask.T.ravel().tolist())]
    return [count for _, count in ([] if found[0][0] == 0 else [(0, 0)]) + found]


def packed(counts: list[int]) -> str:
    """As pycocotools writes them."""
    runs = {"size": [1, sum(counts)], "counts": counts}
    return str(reference.frPyObjects(runs, *runs["size"])["counts"], "ascii")


@given(masks)
def test_run_lengths_make_the_round_trip(mask: np.ndarray) -> None:
    counts = runs_of(mask)
    text = str(reference.encode(np.asfortranarray(mask))["counts"], "ascii")
    assert unpacked(text) == counts
    assert np.array_equal(from_runs(mask.shape, counts), mask)
    assert np.array_equal(from_runs(mask.shape, text), mask)


def test_the_examples_of_pycocotools_documentation() -> None:
    assert from_runs([1, 7], [2, 3, 1, 1]).tolist() == [[0, 0, 1, 1, 1, 0, 1]]
    assert from_runs([1, 7], [0, 6, 1]).tolist() == [[1, 1, 1, 1, 1, 1, 0]]


@given(st.lists(st.integers(0, 10**7), max_size=20))
def test_long_run_lengths_are_unpacked(counts: list[int]) -> None:
    assert unpacked(packed(counts)) == counts


@pytest.mark.parametrize(("size", "counts"), [([2, 2], [1, 2]), ([2, 2], "\x10"), ([2, 2], "Z"), ([2, 2], [5, -1])])
def test_run_lengths_that_fill_no_mask_are_refused(size: list[int], counts: str | list[int]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says its own
        from_runs(size, counts)


@given(masks)
def test_outlines_hold_the_pixels_of_a_mask_and_no_others(mask: np.ndarray) -> None:
    found = outlines(mask)
    assert sum(abs(signed_area(part)) for part in found) == mask.sum()
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    centers = np.stack([x.ravel(), y.ravel()], axis=1)
    held = sum((points_in_poly(centers, part).astype(int) for part in found), np.zeros(mask.size, int))
    assert np.array_equal(held.reshape(mask.shape), mask)


def test_a_ring_keeps_its_hole() -> None:
    ring = np.ones((9, 9), np.uint8)
    ring[3:6, 3:6] = 0
    (part,) = outlines(ring)
    assert abs(signed_area(part)) == 72 and len(part) == 10  # 4 corners twice, and one of each again
