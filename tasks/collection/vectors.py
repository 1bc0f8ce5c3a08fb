"""Feature vectors as columns of the measures: packed to bytes, so that tables stay flat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


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


def unpacked_exactly(column: pa.Array) -> NDArray[np.float32]:
    """Give what was ``packed_exactly`` (none null) as a matrix, a row each."""
    return _matrix(column, "<f4")


def _matrix(column: pa.Array, dtype: str) -> NDArray[Any]:
    if not len(column):
        return np.zeros((0, 1), dtype=dtype)
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64, count=len(column) + column.offset + 1)[column.offset :]
    data = np.frombuffer(column.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]]
    return data.view(dtype).reshape(len(column), -1)
