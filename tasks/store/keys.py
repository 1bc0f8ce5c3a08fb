"""Sorted keys: matching them, cutting them by bit prefix, and the row ids made from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import RequestError

KEY = pa.binary(32)
ID_DIGITS = 20  # hex digits of the key in a row id: 80 bits
ALL = "all"

Keys = NDArray[np.bytes_]


def keys_of(column: pa.ChunkedArray | pa.Array) -> Keys:
    """Give a column of keys as a NumPy array that compares bytewise."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], KEY)
    if len(array) == 0:
        return np.zeros(0, dtype="S32")
    data = np.frombuffer(array.buffers()[1], dtype="S32", count=len(array) + array.offset)
    return data[array.offset :]


def leading(keys: Keys) -> NDArray[np.uint64]:
    """Give the first 64 bits of each key."""
    whole = np.ascontiguousarray(keys).view(np.uint8).reshape(-1, 32)
    return whole[:, :8].copy().view(">u8").reshape(-1).astype(np.uint64)


def match(wanted: Keys, among: Keys) -> NDArray[np.int64]:
    """Give, for each wanted key, its first place among sorted keys, or -1."""
    if not len(among):
        return np.full(len(wanted), -1, dtype=np.int64)
    places = np.searchsorted(among, wanted)
    found = among[np.minimum(places, len(among) - 1)] == wanted
    return np.where(found, places, -1).astype(np.int64)


def row_id(key: bytes, frame: int | None = None) -> str:
    """Give a source's row id: 20 hex digits of its key, and ``.fN`` for a frame under ``frames: all``."""
    return key.hex()[:ID_DIGITS] + (f".f{frame}" if frame is not None else "")


def keys_of_ids(ids: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Give what row ids say of their sources' keys: the first 80 bits, the rest zero."""
    return pa.array([bytes.fromhex(name[:ID_DIGITS]).ljust(32, bytes(1)) for name in ids.to_pylist()], KEY)


def bounds(prefix: str) -> tuple[str, str | None]:
    """Give the range of ids, from (inclusive) and to (exclusive, None for no end), that a bit prefix covers."""
    if prefix == ALL:
        return "0" * ID_DIGITS, None
    bits = ID_DIGITS * 4
    low = int(prefix, 2) << (bits - len(prefix))
    high = low + (1 << (bits - len(prefix)))
    return f"{low:0{ID_DIGITS}x}", f"{high:0{ID_DIGITS}x}" if high < 1 << bits else None


def covering(first: Iterable[str], prefix: str) -> list[str]:
    """Give those prefixes of a tree that share keys with ``prefix``: its parents, itself, or its children."""
    return [p for p in first if ALL in (p, prefix) or p.startswith(prefix) or prefix.startswith(p)]


def refuse_collisions(keys: Keys, uris: Any) -> None:
    """Raise where two sorted keys share the 80 bits that ids are made of."""
    heads = np.ascontiguousarray(keys).view(np.uint8).reshape(-1, 32)[:, :10]
    same = np.flatnonzero((heads[1:] == heads[:-1]).all(axis=1))
    if len(same):
        first = int(same[0])
        raise RequestError(
            f"two sources have one id: {uris[first].as_py()!r} and {uris[first + 1].as_py()!r}; rename one of them "
            "(a name listed twice, or one whose bytes another spells out in percent signs)"
        )
