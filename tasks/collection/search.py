"""Near duplicates among many hashes without comparing all pairs: tables of sampled bits, checked by their distance.

Source: Indyk and Motwani 1998, "Approximate nearest neighbors" (bit sampling); Charikar 2002 (signs of projections).
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]  # n x words: a hash a row
Rows = NDArray[np.int64]
Labels = NDArray[np.uint32]  # rows' numbers, as an entry of a table holds them
Accepts = Callable[[Rows, Rows], NDArray[np.bool_]]  # says which pairs count, beside the distance of their hashes

EVERY_PAIR = 4096  # hashes up to which all pairs are compared
RECALL = 0.95  # of the pairs that differ in ``distance`` bits anywhere; nearer ones are found more surely
TABLES = 2048  # at most: bounds the time where a distance asks for more
CROWD = 4  # times as many pairs as hashes are compared in one table, at most: bounds what hashes that collide cost
THREADS = 4
MANY = 4_000_000  # hashes above which one thread searches: each holds 30 bytes a hash
CACHED = 1 << 14  # hashes mixed at a time, in the processor's cache
BLOCK = 1 << 20  # pairs compared at a time
VECTORS = 1 << 14  # projected at a time
SAMPLED = 200_000  # pairs from which collisions are estimated
UPPER = int(sys.byteorder == "little")  # which half of an entry is its upper one
INDEX = np.uint64(0xFFFFFFFF)  # the half of a table's entry that says which hash; the other half is the table's key


def apart(left: Words, right: Words) -> NDArray[np.uint16]:
    """Give how many bits differ, row by row."""
    counts = np.asarray(np.bitwise_count(left ^ right), dtype=np.uint16)
    total: NDArray[np.uint16] = counts[:, 0].copy()
    for column in counts.T[1:]:  # a sum along the rows is 20 times slower
        total += column
    return total


def tables(count: int, bits: int, distance: int) -> tuple[int, int]:
    """Give how many bits a table samples and how many tables find ``RECALL`` of the pairs ``distance`` bits apart.

    A table of log2(count) bits holds about one unrelated hash for each; two hashes that differ in d of b bits share all
    of k sampled ones with probability (1 - d/b)^k.
    """
    sampled = min(max(8, math.ceil(math.log2(max(2, count)))), 28)
    chance = math.prod(max(0, bits - distance - i) / (bits - i) for i in range(sampled))
    wanted = math.log(1 - RECALL) / math.log1p(-chance) if 0 < chance < 1 else 0 if chance else math.inf
    return sampled, math.ceil(min(TABLES, max(wanted, bits // sampled)))


def components(words: Words, distance: int, owners: Rows, accepts: Accepts | None = None) -> Rows:
    """Give each hash's group, so that each lies within ``distance`` of another in its group: connected components.

    Hashes with equal ``owners`` (0 .. n-1) are one from the start. The groups depend on nothing but the arguments.
    """
    return grouped(np.ascontiguousarray(words.T), distance, owners.astype(np.uint32), accepts).astype(np.int64)


def grouped(columns: Words, distance: int, owners: Labels, accepts: Accepts | None = None) -> Labels:
    """Group hashes as ``components`` does; ``columns`` has a row a word (words x n), so that nothing is copied.

    Memory: about 10 bytes a thread and hash, beside the arguments.
    """
    count = columns.shape[1]
    groups = _Groups(columns, distance, owners, accepts)
    if count <= EVERY_PAIR:
        for step in range(1, count):
            left = np.arange(count - step)
            groups.join(left, left + step)
        return groups.labels
    threads = 1 if count > MANY else min(THREADS, os.cpu_count() or 1)  # NumPy sorts and compares without the GIL
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(groups.search, _sampled(count, len(columns), distance)):
            pass
    return groups.labels


@dataclass
class _Table:
    """A table: which bits are sampled, how they are mixed into a key, which word of a pair is compared first."""

    masks: Words
    odd: Words
    first: int


def _sampled(count: int, width: int, distance: int) -> list[_Table]:
    sampled, many = tables(count, width * 64, distance)
    rng = np.random.Generator(np.random.Philox(key=[width, 0]))
    apiece = width * 64 // sampled
    orders = (rng.permutation(width * 64) for _ in range(math.ceil(many / apiece)))
    # Tables of one permutation have no bit in common: hashes with fewer flips than it has tables agree in one of them.
    bands = [band for order in orders for band in np.split(order[: apiece * sampled], apiece)]
    return [_table(band, width, number % width, rng) for number, band in enumerate(bands[:many])]


def _table(band: Rows, width: int, first: int, rng: np.random.Generator) -> _Table:
    masks = np.zeros(width, dtype=np.uint64)
    for bit in band.tolist():
        masks[bit // 64] |= np.uint64(1 << bit % 64)
    odd = rng.integers(1 << 63, size=width, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return _Table(masks, odd, first)


class _Groups:
    """Hashes with the group that each is in by now; searched by several threads, joined by one at a time."""

    def __init__(self, columns: Words, distance: int, labels: Labels, accepts: Accepts | None) -> None:
        self.columns = columns
        self.distance = distance
        self.labels = labels
        self.accepts = accepts
        self.lock = Lock()
        width = len(columns)
        self.shares = [_share(distance, width, words) for words in range(1, width)][:2]

    def search(self, table: _Table) -> None:
        """Join the near ones of those that agree in a table's bits: each is compared with the next in its bucket."""
        mixed = np.arange(self.columns.shape[1], dtype=np.uint64)
        for start in range(0, len(mixed), CACHED):
            keys = np.zeros(len(mixed[start : start + CACHED]), dtype=np.uint64)
            for column, mask, factor in zip(self.columns, table.masks, table.odd, strict=True):
                if mask:
                    keys += (column[start : start + CACHED] & mask) * factor
            mixed[start : start + CACHED] |= keys & ~INDEX
        mixed.sort()
        halves = mixed.view(np.uint32)[UPPER::2]
        starts = np.flatnonzero(halves[1:] == halves[:-1])
        left, step = CROWD * len(mixed), 1
        while len(starts) and left > 0:
            for some in np.array_split(starts, math.ceil(len(starts) / BLOCK)):
                one, other = ((mixed[some + more] & INDEX).astype(np.int64) for more in (0, step))
                self.join(*self._likely(one, other, table.first))
            left -= len(starts)
            step += 1
            starts = starts[starts + step < len(halves)]
            starts = starts[halves[starts] == halves[starts + step]]

    def _likely(self, left: Rows, right: Rows, first: int) -> tuple[Rows, Rows]:
        """Leave out pairs that differ too much in one word, then in two: 19 of 20 unrelated ones end here."""
        far = np.zeros(len(left), dtype=np.uint8)
        for more, share in enumerate(self.shares):
            column = self.columns[(first + more) % len(self.columns)]
            far += np.bitwise_count(column[left] ^ column[right])
            likely = far <= share
            left, right, far = left[likely], right[likely], far[likely]
        return left, right

    def join(self, left: Rows, right: Rows) -> None:
        """Join the groups of pairs that are near."""
        new = self.labels[left] != self.labels[right]  # what is joined already need not be compared again
        left, right = left[new], right[new]
        far = np.zeros(len(left), dtype=np.uint16)
        for column in self.columns:
            far += np.bitwise_count(column[left] ^ column[right])
        near = far <= self.distance
        left, right = left[near], right[near]
        if self.accepts is not None and len(left):
            good = self.accepts(left, right)
            left, right = left[good], right[good]
        if len(left):
            with self.lock:
                self.labels = _joined(self.labels, self.labels[left], self.labels[right])


def _share(distance: int, width: int, words: int) -> int:
    """Give in how many bits some words of a near pair differ at most: its share, and four deviations more."""
    share = distance * words / width
    return math.ceil(share + 4 * math.sqrt(share * (1 - distance / (64 * width)) * (1 - words / width)))


def _joined(labels: Labels, left: Labels, right: Labels) -> Labels:
    """Give the labels after joining pairs of them; a group is called by its smallest label."""
    names, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    edges = (np.ones(len(left), dtype=np.int8), (places[: len(left)], places[len(left) :]))
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, groups = connected_components(coo_array(edges, shape=(len(names), len(names))), directed=False)
    smallest = np.full(len(names), np.iinfo(np.uint32).max, dtype=np.uint32)
    np.minimum.at(smallest, groups, names)
    renamed = np.arange(len(labels), dtype=np.uint32)
    renamed[names] = smallest[groups]
    return renamed[labels]


def equals(words: Words) -> Rows:
    """Give for each row the first one that is equal to it, itself where none is before it."""
    rng = np.random.Generator(np.random.Philox(key=[words.shape[1], 3]))
    mixed = np.zeros(len(words), dtype=np.uint64)
    for column in words.T:
        mixed += column * (rng.integers(1 << 63, dtype=np.uint64) * np.uint64(2) + np.uint64(1))
    order = np.argsort(mixed, kind="stable")
    mixed = mixed[order]
    same = np.zeros(len(words), dtype=bool)
    same[1:] = mixed[1:] == mixed[:-1]
    some = np.flatnonzero(same)
    same[some] = (words[order[some]] == words[order[some - 1]]).all(axis=1)  # a mixture is equal by chance, too
    firsts = np.flatnonzero(~same)
    first = np.empty(len(words), dtype=np.int64)
    first[order] = order[firsts][np.cumsum(~same) - 1]
    return first


def false_pairs(words: Words, distance: int) -> float:
    """Estimate how many unrelated pairs of these hashes lie within ``distance``.

    From the mean and the variance of the distances of random pairs: binomial with as many bits as are effective.
    """
    count, bits = len(words), words.shape[1] * 64
    if count < 3:
        return 0.0
    rng = np.random.Generator(np.random.Philox(key=[count, 1]))
    left = rng.integers(count, size=SAMPLED)
    right = (left + rng.integers(1, count, size=SAMPLED)) % count
    far = apart(words[left], words[right]) / bits
    mean, variance = float(far.mean()), float(far.var())
    if not 0 < mean < 1 or not variance:
        return 0.0 if mean else math.inf
    effective = mean * (1 - mean) / variance
    from scipy.special import betainc

    most = effective * distance / bits
    within = float(betainc(effective - most, most + 1, 1 - mean)) if most < effective else 1.0
    return count * (count - 1) / 2 * within


def signatures(vectors: NDArray[np.floating], bits: int = 256) -> Words:
    """Give the signs of fixed random projections: vectors at an angle of a differ in a/pi of the bits, on average."""
    rng = np.random.Generator(np.random.Philox(key=[vectors.shape[1], 2]))
    directions = rng.standard_normal((vectors.shape[1], bits), dtype=np.float32)
    starts = range(0, len(vectors), VECTORS)
    parts = [np.packbits(vectors[i : i + VECTORS].astype(np.float32) @ directions > 0, axis=1) for i in starts]
    packed = np.concatenate(parts) if parts else np.zeros((0, bits // 8), dtype=np.uint8)
    return np.ascontiguousarray(packed).view(np.uint64)


def bits_at(similarity: float, bits: int = 256) -> int:
    """Give in how many bits the signatures of vectors of this cosine may differ: the mean and three deviations."""
    share = math.acos(max(-1.0, min(1.0, similarity))) / math.pi
    return min(bits // 2, math.ceil(bits * share + 3 * math.sqrt(bits * share * (1 - share))))
