"""Where each image lies in its shard: the writer stores them uncompressed, so one is read without its row group."""

from __future__ import annotations

import mmap
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.store.local import whole

NONE: Final = -1  # the length of no image

_BETWEEN: Final = 1 << 16  # at most so many bytes lie between two values: the header of a page
_BEGIN: Final = 64


@lru_cache(maxsize=1 << 16)
def offsets(path: Path, group: int, column: str) -> NDArray[np.int64] | None:
    """Give offset and length of each value of an image column (rows x 2): 16 bytes a row.

    The row group is read once, page checksums verified, and each value is looked for in the file, where it stands
    behind its length. Nothing where one is not found byte for byte: another writer compressed or encoded them.
    """
    with whole(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        values = file.read_row_group(group, columns=[f"{column}.bytes"]).column(column).combine_chunks()
        chunks = (file.metadata.row_group(group).column(i) for i in range(file.metadata.num_columns))
        start = next(chunk.data_page_offset for chunk in chunks if chunk.path_in_schema == f"{column}.bytes")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stored:
        return _found(stored, start, values)


def _found(stored: mmap.mmap, at: int, values: Any) -> NDArray[np.int64] | None:
    made = np.full((len(values), 2), NONE, dtype=np.int64)
    for i, value in enumerate(pc.struct_field(values, "bytes")):
        if value.is_valid:
            data = value.as_buffer()
            length = data.size
            head = length.to_bytes(4, "little") + data.slice(0, min(length, _BEGIN)).to_pybytes()
            place = stored.find(head, at, at + _BETWEEN + len(head)) + 4
            if place < 4 or stored[place : place + length] != data.to_pybytes():
                return None
            made[i] = place, length
            at = place + length
    return made


def read(path: Path, offset: int, length: int) -> bytes:
    """Read a value."""
    with whole(path), path.open("rb", buffering=0) as file:
        file.seek(offset)
        return file.read(length)
