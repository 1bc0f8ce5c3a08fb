"""The tree of shards decides file names: golden prefixes, and the properties that growth relies on."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.load.listing import key
from tasks.store.keys import KEY, bounds, covering, keys_of, leading, row_id
from tasks.store.tree import grow, histogram


def tree(keys: list[bytes], weights: list[int], limit: int) -> list[str]:
    heads = leading(keys_of(pa.array(sorted(keys), KEY)))
    weighed = np.array(weights, dtype=np.int64)

    def under(prefix: str) -> tuple[np.ndarray, np.ndarray]:
        inside = heads >> np.uint64(64 - len(prefix)) == np.uint64(int(prefix, 2))
        return heads[inside], weighed[inside]

    return grow(histogram(heads, weighed), limit, under)


def test_the_key_is_sha256_of_the_length_and_the_uri() -> None:
    uri = "photos/ä.jpg"
    data = uri.encode()
    assert key(uri) == hashlib.sha256(len(data).to_bytes(8, "big") + data).digest()
    assert key("photos/coffee.jpg").hex() == "3adb7ab48199965e0c220ea35e6400debcf4935a15d6f264ba4b89fcdfeebfc0"


def test_a_row_id_is_twenty_hex_digits_and_the_frame() -> None:
    assert row_id(bytes(range(32))) == "00010203040506070809"
    assert row_id(bytes(range(32)), 3) == "00010203040506070809.f3"


def test_what_fits_is_one_shard() -> None:
    keys = [key(str(i)) for i in range(100)]
    assert tree(keys, [10] * 100, 1000) == ["all"]
    assert tree(keys, [10] * 100, 999) == ["0", "1"]


def test_nothing_has_no_shard() -> None:
    assert tree([], [], 1000) == []


def test_one_source_over_the_limit_has_a_shard_of_its_own() -> None:
    keys = [bytes([0] * 31 + [1]), bytes([0] * 7 + [1] + [0] * 24)]
    prefixes = tree(keys, [10, 10], 5)
    assert [len(prefix) for prefix in prefixes] == [64, 64]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 10**6), min_size=1, max_size=200), st.integers(1, 2000))
def test_a_tree_covers_every_key_once_and_no_prefix_is_longer_than_it_must(numbers: set[int], limit: int) -> None:
    keys = sorted(key(str(number)) for number in numbers)
    weights = [1 + k[0] % 50 for k in keys]
    prefixes = tree(keys, weights, limit)
    bits = [f"{int.from_bytes(k, 'big'):0256b}" for k in keys]
    for one in bits:
        assert sum(prefix == "all" or one.startswith(prefix) for prefix in prefixes) == 1
    for prefix in prefixes:
        held = [w for one, w in zip(bits, weights, strict=True) if prefix == "all" or one.startswith(prefix)]
        assert sum(held) <= limit or len(held) == 1
        if prefix != "all":
            parent = [w for one, w in zip(bits, weights, strict=True) if one.startswith(prefix[:-1])]
            assert sum(parent) > limit


@settings(max_examples=30, deadline=None)
@given(st.integers(10, 200), st.integers(0, 100))
def test_a_growing_collection_only_splits_leaves(before: int, more: int) -> None:
    keys = [key(str(i)) for i in range(before + more)]
    small = tree(sorted(keys[:before]), [10] * before, 300)
    large = tree(sorted(keys), [10] * (before + more), 300)
    for prefix in large:
        assert any(p == "all" or prefix.startswith(p) or p.startswith(prefix) for p in small) or prefix not in small
    for prefix in small:
        assert prefix in large or any(prefix == "all" or p.startswith(prefix) for p in large)


def test_a_prefix_covers_a_range_of_ids() -> None:
    assert bounds("all") == ("0" * 20, None)
    assert bounds("0") == ("0" * 20, "8" + "0" * 19)
    assert bounds("11") == ("c" + "0" * 19, None)
    assert covering(["00", "01", "1"], "0") == ["00", "01"]
    assert covering(["all"], "0110") == ["all"]
