"""Balance: how many of each class stay, which ones, and what copies and weights come of counts."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.collection.balance import Balance

Counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=1)
Ratios = st.floats(1, 20)


def table(**counts: int) -> pa.Table:
    """So many images of each class, and three without."""
    labels = [name for name, count in counts.items() for _ in range(count)] + [None] * 3
    names = [f"{name}{sum(other == name for other in labels[:i])}" for i, name in enumerate(labels)]
    keys = [hashlib.sha256(name.encode()).digest() for name in names]
    ids = [key.hex()[:20] for key in keys]
    columns = {"id": ids, "key": pa.array(keys, pa.binary(32)), "label": pa.array(labels, pa.string())}
    return pa.table(columns).sort_by("id")


def left(balance: Balance, rows: pa.Table) -> dict[str, int]:
    """How many of each class stay."""
    gone = set(balance.decide(rows).column("id").to_pylist())
    labels = [one["label"] for one in rows.to_pylist() if one["id"] not in gone]
    return {str(label): labels.count(label) for label in set(labels)}


def test_larger_classes_lose_what_is_too_much() -> None:
    rows = table(cat=10, dog=45, owl=20)
    assert left(Balance(ratio=2), rows) == {"cat": 10, "dog": 20, "owl": 20, "None": 3}
    assert left(Balance(), rows) == {"cat": 10, "dog": 10, "owl": 10, "None": 3}
    assert left(Balance(ratio=4.5), rows) == {"cat": 10, "dog": 45, "owl": 20, "None": 3}


def test_who_leaves_lies_beyond_the_limit_and_who_stays_before_it() -> None:
    decided = Balance(ratio=2).decide(table(cat=10, dog=45)).to_pylist()
    assert len(decided) == 25 and {row["reason"] for row in decided} == {"too_many_of_class"}
    assert len({row["limit"] for row in decided}) == 1 and all(row["score"] > row["limit"] for row in decided)
    assert decided[0]["message"] == "class dog has 45 images, 20 stay: 2 times those of cat"


def test_another_image_moves_one_other_at_most() -> None:
    before = set(Balance().decide(table(cat=10, dog=45)).column("id").to_pylist())
    after = set(Balance().decide(table(cat=10, dog=46)).column("id").to_pylist())
    more = set(table(cat=10, dog=46).column("id").to_pylist()) - set(table(cat=10, dog=45).column("id").to_pylist())
    assert len((after - before) - more) <= 1 and not before - after


@given(Counts, Ratios)
def test_weights_give_the_ratio_and_are_1_on_average(counts: dict[str, int], ratio: float) -> None:
    weights = Balance(by="weight", ratio=ratio).weights(counts)
    shares = [weights[name] * counts[name] for name in counts]
    assert sum(shares) == pytest.approx(sum(counts.values()))
    assert max(shares) <= min(shares) * ratio * (1 + 1e-9)


@given(Counts, Ratios, st.booleans())
def test_copies_give_the_whole_number_of_rows_nearest_to_the_ratio(
    counts: dict[str, int], ratio: float, original: bool
) -> None:
    copies = Balance(by="augment", ratio=ratio, most=1000).copies(counts, original)
    for name, count in counts.items():
        rows = copies[name] + original
        assert rows >= 1 and (rows == 1 or abs(rows - max(counts.values()) / (ratio * count)) <= 0.5)


def test_copies_are_bounded() -> None:
    assert Balance(by="augment", most=3).copies({"cat": 1, "dog": 100}, True) == {"cat": 3, "dog": 0}


def test_nothing_leaves_where_no_image_has_a_label() -> None:
    assert Balance().decide(table()).num_rows == 0


def test_most_belongs_to_augment() -> None:
    with pytest.raises(ValueError, match="`most` is for by: augment"):
        Balance(most=3)
