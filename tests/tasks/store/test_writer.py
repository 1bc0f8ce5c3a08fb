"""The writer's bytes depend on the rows alone; its settings are those that readers and checks rely on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.store import writer
from tasks.store.schema import IMAGE

SCHEMA = pa.schema([("id", pa.string()), ("label", pa.int64()), ("image", IMAGE)])


def rows(count: int, size: int = 1000) -> pa.Table:
    rng = np.random.default_rng(1)
    images = [{"bytes": rng.bytes(size), "path": f"{i}.jpg"} for i in range(count)]
    return pa.table(
        {"id": [f"{i:020x}" for i in range(count)], "label": [i % 3 for i in range(count)], "image": images}, SCHEMA
    )


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_how_rows_arrive_decides_no_byte(tmp_path: Path, chunk: int) -> None:
    table = rows(200)
    whole = writer.write(tmp_path / "a.parquet", SCHEMA, table.combine_chunks().to_batches(), 200)
    parts = writer.write(tmp_path / "b.parquet", SCHEMA, table.to_batches(max_chunksize=chunk), 200)
    assert whole == parts
    assert pq.read_table(tmp_path / "b.parquet").equals(table)


def test_what_was_written_is_what_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    written = writer.write(path, SCHEMA, rows(50).to_batches(), 50)
    assert written == (50, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


def test_row_groups_are_cut_at_32_megabytes_of_images(tmp_path: Path) -> None:
    writer.write(tmp_path / "a.parquet", SCHEMA, rows(10, size=10_000_000).to_batches(), 10)
    found = pq.ParquetFile(tmp_path / "a.parquet").metadata
    assert [found.row_group(i).num_rows for i in range(found.num_row_groups)] == [3, 3, 3, 1]


def test_image_bytes_are_plain_and_everything_else_is_zstd(tmp_path: Path) -> None:
    writer.write(tmp_path / "a.parquet", SCHEMA, rows(50).to_batches(), 50)
    group = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert columns["image.bytes"].compression == "UNCOMPRESSED"
    assert not columns["image.bytes"].has_dictionary_page
    assert {c.compression for name, c in columns.items() if name != "image.bytes"} == {"ZSTD"}
    assert columns["id"].bloom_filter_offset is not None
    assert all(c.has_column_index or name == "image.bytes" for name, c in columns.items())


def test_a_flipped_bit_in_an_image_is_found_by_its_page_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    writer.write(path, SCHEMA, rows(50).to_batches(), 50)
    data = bytearray(path.read_bytes())
    data[data.index(rows(50)["image"][20]["bytes"].as_py())] ^= 1
    path.write_bytes(data)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)


def test_no_rows_are_a_file_that_opens(tmp_path: Path) -> None:
    written = writer.write(tmp_path / "a.parquet", SCHEMA, [], 0)
    assert written.rows == 0
    assert pq.read_table(tmp_path / "a.parquet").schema.names == SCHEMA.names
