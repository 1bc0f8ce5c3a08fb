"""The one Parquet writer: what it writes is a function of the rows alone, so that equal rows are equal bytes.

Settings and figures: FINDINGS A. Image bytes are neither compressed nor in a dictionary, all other leaves are zstd;
page index, page checksums, content-defined chunking and a bloom filter on id from the first version on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

VERSION: Final = 1  # the writer's integer: changes when any byte of any file changes
GROUP_BYTES: Final = 32_000_000
GROUP_ROWS: Final = 65_536
COPY_ROWS: Final = 256  # rows held at a time while a group is gathered


class Written(NamedTuple):
    """What is known of a file once it is whole."""

    rows: int
    bytes: int
    sha256: str


def _leaves(schema: pa.Schema) -> list[str]:
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema):
        pass
    leaves = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return [leaves.column(i).path for i in range(len(leaves.names))]


def _settings(schema: pa.Schema, rows: int, sorted_by: str) -> dict[str, Any]:
    leaves = _leaves(schema)
    coded = {"image.bytes", "mask.bytes"}
    plain = {leaf for leaf in leaves if leaf in coded or leaf == sorted_by or leaf.endswith("sha256")}
    return {
        "compression": {leaf: "none" if leaf in coded else "zstd" for leaf in leaves},
        "use_dictionary": [leaf for leaf in leaves if leaf not in plain],
        "write_batch_size": 16 if "image.bytes" in leaves else 1024,
        "write_page_index": True,
        "write_page_checksum": True,
        "use_content_defined_chunking": True,
        "sorting_columns": [pq.SortingColumn(schema.get_field_index(sorted_by))],
        "bloom_filter_options": {sorted_by: {"ndv": max(1, min(rows, GROUP_ROWS)), "fpp": 0.01}},
    }


def image_bytes(batch: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Give each row's encoded image in bytes: what row groups are cut by."""
    if "image" in batch.schema.names:
        lengths = pc.binary_length(batch.column("image").field("bytes"))
        return np.asarray(lengths.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
    if "pixels" in batch.schema.names:
        return np.full(len(batch), 4 * batch.schema.field("pixels").type.list_size, dtype=np.int64)
    return np.zeros(len(batch), dtype=np.int64)


def groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Cut rows into row groups at 32 MB of encoded images or 65,536 rows, however they arrive."""
    held: list[pa.RecordBatch] = []
    rows, size = 0, 0
    for batch in batches:
        start = 0
        for i, length in enumerate(image_bytes(batch).tolist()):
            if rows and (size + length > GROUP_BYTES or rows == GROUP_ROWS):
                held.append(batch.slice(start, i - start))
                yield _one(held)
                held, start, rows, size = [], i, 0, 0
            rows += 1
            size += length
        held.append(batch.slice(start))
    if rows:
        yield _one(held)


def _one(batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches([batch for batch in batches if len(batch)]).combine_chunks()


def write(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], rows: int, sorted_by: str = "id"
) -> Written:
    """Write sorted rows to ``path`` and sync it. ``rows`` is how many there will be, known before.

    Raises ``OSError`` where the disk is full or gone; what was written until then stays under ``path``.
    """
    written = 0
    with pq.ParquetWriter(path, schema, **_settings(schema, rows, sorted_by)) as writer:
        for group in groups(batches):
            writer.write_table(group, row_group_size=len(group))
            written += len(group)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return Written(written, path.stat().st_size, digest)
