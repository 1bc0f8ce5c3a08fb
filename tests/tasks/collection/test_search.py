"""Search: near pairs among many hashes, without comparing all pairs."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from tasks.collection import search


def hashes(count: int, bits: int = 256, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, bits // 8), dtype=np.uint8)


def planted(count: int, pairs: int, flips: int, bits: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Random hashes, of which the first ones have a copy with bits flipped anywhere; shuffled; the pairs' places."""
    base = hashes(count, bits)
    near = np.unpackbits(base[:pairs], axis=1)
    rng = np.random.default_rng(7)
    for row in near:
        row[rng.choice(bits, flips, replace=False)] ^= 1
    order = rng.permutation(count + pairs)
    places = np.argsort(order)
    words = np.concatenate([base, np.packbits(near, axis=1)]).view(np.uint64)[order]
    return words, np.stack([places[:pairs], places[count:]])


@pytest.mark.parametrize(
    ("count", "bits", "distance", "flips", "least"),
    [
        (3_000, 256, 60, 60, 1),
        (30_000, 256, 60, 60, 0.9),
        (30_000, 256, 60, 48, 0.995),
        (30_000, 256, 60, 12, 1),
        (30_000, 64, 10, 10, 0.9),
    ],
)
def test_planted_pairs_are_found(count: int, bits: int, distance: int, flips: int, least: float) -> None:
    words, (left, right) = planted(count, 700, flips, bits)
    labels = search.components(words, distance, np.arange(len(words)))
    assert (labels[left] == labels[right]).mean() >= least


def test_groups_are_those_of_all_pairs_compared() -> None:
    words, _ = planted(4_000, 1_000, 10)  # beyond the hashes of which every pair is compared
    wanted = np.arange(len(words))
    for i in range(len(words)):
        for j in np.flatnonzero(search.apart(words[i + 1 :], words[i]) <= 12) + i + 1:
            wanted[wanted == wanted[j]] = wanted[i]
    labels = search.components(words, 12, np.arange(len(words)))
    pairs = {(int(a), int(b)) for a, b in zip(labels, wanted, strict=True)}
    assert len(pairs) == len(set(labels.tolist())) == len(set(wanted.tolist()))


def test_the_groups_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    words, _ = planted(6_000, 800, 40)
    first = search.components(words, 50, np.arange(len(words)))
    monkeypatch.setattr(search, "THREADS", 1)
    assert np.array_equal(search.components(words, 50, np.arange(len(words))), first)


def test_a_million_equal_bits_cost_no_more_than_a_few_comparisons_each(monkeypatch: pytest.MonkeyPatch) -> None:
    words = hashes(5_000).view(np.uint64)
    words &= np.array([(1 << 20) - 1, 0, 0, 0], dtype=np.uint64)  # 236 bits are always 0: every bucket is crowded
    compared: list[int] = []
    likely = search._Groups._likely
    monkeypatch.setattr(
        search._Groups,
        "_likely",
        lambda self, left, right, first: (compared.append(len(left)), likely(self, left, right, first))[1],
    )
    search.components(words, 4, np.arange(len(words)))
    _, many = search.tables(len(words), 256, 4)
    assert 0 < sum(compared) <= many * (search.CROWD + 1) * len(words)


def recall(count: int, bits: int, distance: int) -> float:
    """The share of pairs ``distance`` bits apart, anywhere, that are expected to be found."""
    if count <= search.EVERY_PAIR:
        return 1.0
    sampled, many = search.tables(count, bits, distance)
    chance = math.prod(max(0, bits - distance - i) / (bits - i) for i in range(sampled))
    return 1 - (1 - chance) ** many


def test_it_says_which_share_it_finds() -> None:
    assert recall(4_096, 256, 60) == 1
    assert 0.95 <= recall(1_000_000, 256, 60) < 0.96
    assert recall(1_000_000, 256, 100) < 0.5  # no number of tables that is bearable finds these
    assert search.tables(1_000_000, 256, 60) == (20, 795)


def test_equal_rows_are_found_and_others_are_not() -> None:
    rng = np.random.default_rng(3)
    words = hashes(500).view(np.uint64)[rng.integers(0, 500, 3_000)]
    first: dict[bytes, int] = {}
    wanted = [first.setdefault(row.tobytes(), i) for i, row in enumerate(words)]
    assert search.equals(words).tolist() == wanted
    assert search.equals(words[:0]).tolist() == []


def test_false_pairs_are_estimated_from_the_collection() -> None:
    words = hashes(20_000, 64).view(np.uint64)
    near = 0
    for i in range(2_000):
        near += int((search.apart(words[i + 1 :], words[i]) <= 16).sum())
    pairs = sum(20_000 - i - 1 for i in range(2_000))
    expected = search.false_pairs(words, 16) * pairs / (20_000 * 19_999 / 2)
    assert near > 100 and 0.5 < expected / near < 2
    assert search.false_pairs(hashes(1_000_000).view(np.uint64), 60) < 1e-3
    alike = hashes(1_000).view(np.uint64) & np.uint64(0xFF)  # 8 of each 64 bits say something
    assert search.false_pairs(alike, 60) > 1_000
    assert search.false_pairs(words[:2], 16) == 0


def test_signatures_differ_in_the_angles_share_of_the_bits() -> None:
    rng = np.random.default_rng(1)
    one = rng.standard_normal((2_000, 64))
    other = one + 0.3 * rng.standard_normal((2_000, 64))
    cosines = np.einsum("ij,ij->i", one, other) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    bits = search.apart(search.signatures(one), search.signatures(other))
    assert abs(bits.mean() - 256 * np.arccos(cosines).mean() / np.pi) < 1
    assert (bits <= search.bits_at(float(cosines.min()))).mean() > 0.99


def test_memory_is_bounded_by_the_number_of_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "THREADS", 2)
    peaks = []
    for count in (50_000, 200_000):
        words = hashes(count).view(np.uint64)
        tracemalloc.start()
        search.components(words, 12, np.arange(count))
        peaks.append(tracemalloc.get_traced_memory()[1] / count)
        tracemalloc.stop()
    assert max(peaks) < 200  # bytes a hash, the copy of its 32 included
