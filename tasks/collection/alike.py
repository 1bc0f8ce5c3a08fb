"""How rows compare: which may be duplicates (groups), and how each compares with the one that would stay."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.collection import hashes, keepers, search
from tasks.collection.vectors import unpacked

STRICT = 8.0  # levels that thumbnails may differ by, on average
BLOCK = 1 << 18  # rows compared at a time
WIDE_BLOCK = 1 << 12  # thumbnails or vectors

log = logging.getLogger("imagemill")


def as_bytes(column: pa.ChunkedArray, width: int) -> NDArray[np.uint8]:
    """Give a column of values of ``width`` bytes as a matrix, a row a value; nulls are zeros."""
    if not len(column):
        return np.zeros((0, width), dtype=np.uint8)
    array = (column if column.type == pa.binary(width) else column.cast(pa.binary(width))).combine_chunks()
    array = array.fill_null(bytes(width)) if array.null_count else array
    whole = np.frombuffer(array.buffers()[1], dtype=np.uint8, count=(len(array) + array.offset) * width)
    return whole[array.offset * width :].reshape(-1, width)


def equal(values: pa.ChunkedArray, row_bytes: int, frames: pa.ChunkedArray | None = None) -> NDArray[np.int64]:
    """Group equal values; with ``frames``, those of equal frames."""
    there = _there(values)
    words = as_bytes(values, row_bytes).view(np.uint64)
    if frames is not None:
        numbers = pc.dictionary_encode(frames.combine_chunks())
        if len(numbers.dictionary) > 1:  # else a copy of all would say nothing more
            words = np.concatenate([words, np.asarray(numbers.indices, dtype=np.uint64)[:, None]], axis=1)
    return _spread(search.equals(words if there.all() else words[there]), there)


def near(values: pa.ChunkedArray, row_bytes: int, bits: int, limit: int, method: str) -> NDArray[np.int64]:
    """Group perceptual hashes of which each lies within ``limit`` of another; equal ones are searched once."""
    there = _there(values)
    words = as_bytes(values, row_bytes).view(np.uint64)
    words = words if there.all() else words[there]
    del values
    first = search.equals(words)
    own = np.flatnonzero(first == np.arange(len(first)))
    apiece, width = row_bytes * 8 // bits, bits // 64
    hashes_of = words.reshape(-1, apiece, width)
    columns = np.empty((width, len(own) * apiece), dtype=np.uint64)
    for i, column in enumerate(columns):
        column[:] = hashes_of[own, :, i].reshape(-1)
    del words, hashes_of  # ten million hashes are 320 MB: one copy at a time
    warn_of_collisions(columns[:, ::apiece].T, limit, method)
    owners = np.arange(columns.shape[1], dtype=np.uint32) // apiece
    groups = search.grouped(columns, limit, owners)[::apiece]
    del columns
    labels = np.zeros(len(first), dtype=np.int64)
    labels[own] = groups
    del own, groups, owners
    return _spread(labels[first], there)


def _there(values: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(values.is_valid().to_numpy(), dtype=bool)


def _spread(labels: NDArray[np.int64], there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give each row its group: ``keepers.NO_GROUP`` where it is alone in it, or has no value. Writes to ``labels``."""
    alone = np.bincount(labels, minlength=1)[labels] == 1
    labels[alone] = keepers.NO_GROUP
    if there.all():
        return labels
    groups = np.full(len(there), keepers.NO_GROUP, dtype=np.int64)
    groups[there] = labels
    return groups


class Hashes:
    """Perceptual hashes: ``words`` has one a row, or eight one after the other (its orientations, its own first)."""

    def __init__(
        self, values: pa.ChunkedArray, row_bytes: int, bits: int, limit: int, thumbnails: NDArray[np.uint8] | None
    ) -> None:
        self.words = as_bytes(values, row_bytes).view(np.uint64)
        self.width = bits // 64
        self.limit = limit
        self.thumbnails = thumbnails

    def compare(self, rows: keepers.Rows, best: keepers.Rows) -> keepers.Scores:
        """Give how many bits differ, in the orientation in which fewest do."""
        scores = np.empty(len(rows))
        for start in range(0, len(rows), BLOCK):
            some, others = rows[start : start + BLOCK], best[start : start + BLOCK]
            own = self.words[some, : self.width]
            bits = self.words.shape[1]
            far = np.min(
                [search.apart(own, self.words[others, i : i + self.width]) for i in range(0, bits, self.width)], axis=0
            )
            like = far <= self.limit
            if self.thumbnails is not None:
                like &= self._strictly(some, others)
            scores[start : start + BLOCK] = np.where(like, far, np.nan)
        return scores

    def _strictly(self, rows: keepers.Rows, best: keepers.Rows) -> NDArray[np.bool_]:
        assert self.thumbnails is not None
        side = hashes.THUMBNAIL
        like = np.zeros(len(rows), dtype=bool)
        for start in range(0, len(rows), WIDE_BLOCK):
            mine, theirs = (
                self.thumbnails[some[start : start + WIDE_BLOCK]].reshape(-1, side, side).astype(np.int16)
                for some in (rows, best)
            )
            turned = hashes.orientations(mine) if self.words.shape[1] > self.width else [mine]
            mean = np.min([np.abs(one - theirs).mean(axis=(1, 2)) for one in turned], axis=0)
            like[start : start + WIDE_BLOCK] = mean <= STRICT
        return like


def warn_of_collisions(distinct: search.Words, limit: int, method: str) -> None:
    """Say when unrelated images are expected to be taken for duplicates: on pages of text, on objects on white."""
    expected = search.false_pairs(distinct, limit)
    if expected > 1:
        log.warning(
            "deduplicate: about %s pairs of unrelated images are expected within %d bits of their %s, since the images "
            "of this collection look alike to it; lower `distance`, or say `verify: strict`",
            f"{expected:,.0f}",
            limit,
            method,
        )


class Vectors:
    """Vectors of length 1, of which each row has one or none: all are held, twice for a moment, 2 bytes a number."""

    def __init__(self, values: pa.ChunkedArray, similarity: float) -> None:
        self.there = _there(values)
        self.places = np.cumsum(self.there) - 1
        self.vectors = unpacked(values.drop_null().combine_chunks())
        self.similarity = similarity

    def groups(self) -> NDArray[np.int64]:
        """Give the groups of the rows that have a vector, found by the signs of random projections."""
        words, bits = search.signatures(self.vectors), search.bits_at(self.similarity)
        return _spread(search.components(words, bits, np.arange(len(words)), self._like), self.there)

    def compare(self, rows: keepers.Rows, best: keepers.Rows) -> keepers.Scores:
        """Give the cosines."""
        cosines = self._cosines(self.places[rows], self.places[best])
        return np.where(cosines >= self.similarity, cosines, np.nan)

    def _like(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray(self._cosines(left, right) >= self.similarity)

    def _cosines(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        cosines = np.empty(len(left))
        for start in range(0, len(left), WIDE_BLOCK):
            one, other = (self.vectors[some[start : start + WIDE_BLOCK]].astype(np.float32) for some in (left, right))
            cosines[start : start + WIDE_BLOCK] = np.einsum("ij,ij->i", one, other, dtype=np.float64)
        return cosines
