"""Split: a function of the key, or of the group."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.collection.split import Split

KEYS = [hashlib.sha256(str(i).encode()).digest() for i in range(6000)]


def test_shares_are_honoured_and_bare_is_80_10_10() -> None:
    for split, wanted in (
        (Split(), {"train": 0.8, "validation": 0.1, "test": 0.1}),
        (Split.model_validate({"train": 0.5, "dev": 0.3, "test_2": 0.2}), {"train": 0.5, "dev": 0.3, "test_2": 0.2}),
    ):
        counts = Counter(split.assign(key) for key in KEYS)
        assert set(counts) == set(wanted) == set(split.names)
        for name, share in wanted.items():
            assert abs(counts[name] / len(KEYS) - share) < 0.02


def test_it_is_the_sha256_of_split_and_the_key() -> None:
    for key in KEYS[:200]:
        drawn = int.from_bytes(hashlib.sha256(b"split" + key).digest()[:8], "big") / 2**64
        assert Split().assign(key) == ("train" if drawn < 0.8 else "validation" if drawn < 0.9 else "test")


def test_a_larger_training_share_moves_images_into_it_only() -> None:
    small, large = Split(), Split.model_validate({"train": 0.9, "validation": 0.05, "test": 0.05})
    assert all(large.assign(key) == "train" for key in KEYS if small.assign(key) == "train")


def test_a_group_stays_together_and_one_without_goes_by_its_key() -> None:
    split = Split.model_validate({"train": 0.5, "test": 0.5, "group": "patient"})
    assert split.group == "patient"
    assert len({split.assign(key, "patient 7") for key in KEYS[:50]}) == 1
    assert {split.assign(KEYS[0], f"patient {i}") for i in range(50)} == {"train", "test"}
    assert [split.assign(key, None) for key in KEYS[:50]] == [split.assign(key) for key in KEYS[:50]]


def test_an_empty_share_gets_nothing_not_even_by_rounding() -> None:
    split = Split.model_validate({"none": 0, "train": 1 / 3, "validation": 1 / 3, "test": 1 / 3, "last": 0})
    assert {split.assign(key) for key in KEYS} == {"train", "validation", "test"} == set(split.names)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8), st.binary(min_size=32, max_size=32))
def test_every_key_has_a_split(weights: list[int], key: bytes) -> None:
    shares = {f"s{i}": weight / sum(weights) for i, weight in enumerate(weights)}
    assert Split.model_validate(shares).assign(key) in shares


def test_the_order_written_is_in_the_fingerprint() -> None:
    one, other = {"train": 0.9, "test": 0.1}, {"test": 0.1, "train": 0.9}
    assert Split.model_validate(one).canonical() != Split.model_validate(other).canonical()
    assert Split.model_validate({"shares": one}) == Split.model_validate(one)
    assert Split.model_validate(Split().model_dump()) == Split()


def test_each_stratum_is_divided_by_itself() -> None:
    split = Split(stratify="label")
    parts = {label: [split.assign(key, None, label) for key in KEYS] for label in ("cat", "dog")}
    for found in parts.values():
        assert abs(Counter(found)["test"] / len(KEYS) - 0.1) < 0.02
    assert parts["cat"] != parts["dog"]
    assert [split.assign(key, None, None) for key in KEYS[:50]] == [Split().assign(key) for key in KEYS[:50]]


def test_folds_are_of_one_size_and_keep_groups_together() -> None:
    split = Split(folds=5)
    counts = Counter(split.fold(key) for key in KEYS)
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert all(abs(count / len(KEYS) - 0.2) < 0.02 for count in counts.values())
    assert len({split.fold(key, "patient 7") for key in KEYS[:50]}) == 1
    assert {split.fold(key) for key in KEYS if split.assign(key) == "test"} == {0, 1, 2, 3, 4}, "folds know no split"


def test_what_is_not_used_is_not_in_the_fingerprint() -> None:
    assert set(Split().canonical()["parameters"]) == {"shares", "group"}
    assert Split(folds=3).canonical() != Split().canonical() != Split(stratify="label").canonical()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"train": 0.8, "test": 0.1}, r"the shares of train, test sum to 0\.9; they must sum to 1"),
        ({"train": 0.8, "my test": 0.2}, "letters, digits and underscores only, got 'my test'"),
        ({"train": 1.5, "test": -0.5}, "less than or equal to 1"),
        ({"shares": {"a": 1}, "b": 0.5}, "write the shares beside the other parameters"),
        ({"train": "much"}, "valid number"),
        ({"group": "patient", "stratify": "label"}, "`group` and `stratify` exclude each other"),
        ({"folds": 1}, "greater than or equal to 2"),
    ],
)
def test_mistakes_are_named(wrong: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Split.model_validate(wrong)
