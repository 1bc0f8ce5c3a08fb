"""Odd size: CleanVision's score against the collection's quartiles."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tasks.collection.odd_size import OddSize
from tasks.operation import DECISION


def table(sizes: list[tuple[int, int]]) -> pa.Table:
    columns = {"width": [width for width, _ in sizes], "height": [height for _, height in sizes]}
    ids = [f"{i:020x}" for i in range(len(sizes))]
    return pa.table({"id": ids, **{name: pa.array(values, pa.int32()) for name, values in columns.items()}})


def reference(areas: np.ndarray) -> np.ndarray:
    """CleanVision 0.3.7's ``odd_size``: its scores, of which those below 0.5 are issues."""
    sizes = np.sqrt(areas)
    q1, q3 = np.percentile(sizes, [25, 75])
    low, high = q1 - 3 * (q3 - q1), q3 + 3 * (q3 - q1)
    return 1 - np.clip(np.abs(sizes - (low + high) / 2) / (high - low), 0, 1)


def test_sizes_far_from_the_collections_are_odd_as_cleanvision_says() -> None:
    rng = np.random.default_rng(6)
    sizes = [*map(tuple, rng.integers(300, 500, (200, 2)).tolist()), (4_000, 3_000), (20, 30)]
    made = OddSize().decide(table(sizes))
    assert made.schema.equals(DECISION)
    wanted = reference(np.array([width * height for width, height in sizes], dtype=float))
    assert {row["id"]: row["score"] for row in made.to_pylist()} == {
        f"{i:020x}": pytest.approx(score) for i, score in enumerate(wanted) if score < 0.5
    }
    assert {row["id"] for row in made.to_pylist()} == {f"{200:020x}", f"{201:020x}"}
    assert "px" in made["message"][0].as_py() and made["reason"].unique().to_pylist() == ["odd_size"]


def test_where_nearly_all_have_one_size_any_other_is_odd() -> None:
    made = OddSize().decide(table([(100, 100)] * 20 + [(100, 101), (50, 50)])).to_pylist()
    assert [row["score"] for row in made] == [pytest.approx(1 - (10_100**0.5 - 100) / 100), 0.5]
    assert {row["limit"] for row in made} == {1.0}


def test_of_none_or_one_none_is_odd() -> None:
    assert OddSize().decide(table([])).num_rows == OddSize().decide(table([(3, 4)])).num_rows == 0


def test_flagging_leaves_them_in() -> None:
    assert OddSize(action="flag").flags == {"odd_size"} and OddSize().flags == frozenset()
    assert OddSize().hashes() == {}
