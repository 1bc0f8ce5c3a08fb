"""Feature vectors as columns of the measures: packed to bytes, so that tables stay flat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

AT_ONCE: Final = 1 << 25  # bytes of vectors that are unpacked at a time


def packed(vector: NDArray[Any]) -> bytes:
    """Give a vector scaled to length 1 as float16: cosines are then exact to about 0.001."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    return (vector / length if length else vector).astype("<f2").tobytes()


def packed_exactly(vector: NDArray[Any]) -> bytes:
    """Give a vector as float32."""
    return vector.astype("<f4").tobytes()


def unpacked(column: pa.Array) -> NDArray[np.float16]:
    """Give what was ``packed`` (none null) as a matrix, a row each."""
    return _matrix(column, "<f2")


def blocks(column: pa.ChunkedArray) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Give what was ``packed_exactly`` as matrices of 32 MB at most, a row each, with the rows' numbers in the column.

    Rows without a vector, or with one that is not finite, are left out. The column's chunks do not show.
    """
    longest = pc.max(pc.binary_length(column)).as_py()
    step = max(1, AT_ONCE // (longest or AT_ONCE))
    for start in range(0, len(column) if longest else 0, step):
        some = column.slice(start, step)
        vectors = _matrix(some.drop_null().combine_chunks(), "<f4")
        rows = start + np.flatnonzero(some.is_valid().to_numpy())
        finite = np.isfinite(vectors).all(axis=1)
        if finite.any():
            yield (rows, vectors) if finite.all() else (rows[finite], vectors[finite])


def _matrix(column: pa.Array, dtype: str) -> NDArray[Any]:
    if not len(column):
        return np.zeros((0, 1), dtype=dtype)
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64, count=len(column) + column.offset + 1)[column.offset :]
    data = np.frombuffer(column.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]]
    return data.view(dtype).reshape(len(column), -1)
