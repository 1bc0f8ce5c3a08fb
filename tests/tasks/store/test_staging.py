"""A staged file is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tasks.store import staging

TABLES = {"measures": pa.table({"x": [1, 2, 3]}), "rows.images": pa.table({"b": [b"abc" * 1000]})}


def test_tables_and_receipt_come_back(tmp_path: Path) -> None:
    staging.write(tmp_path, TABLES, {"unit": "a"})
    (one,) = staging.staged(tmp_path)
    assert one.receipt["unit"] == "a"
    for name, table in TABLES.items():
        assert one.table(name).equals(table)


def test_equal_content_is_staged_once(tmp_path: Path) -> None:
    first = staging.write(tmp_path, TABLES, {"unit": "a"})
    assert staging.write(tmp_path, TABLES, {"unit": "a"}) == first
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("cut", [1, 8, 33, 200, 3000])
def test_a_torn_file_is_removed(tmp_path: Path, cut: int) -> None:
    path = staging.write(tmp_path, TABLES, {"unit": "a"})
    path.write_bytes(path.read_bytes()[:-cut])
    assert staging.staged(tmp_path) == []
    assert not path.exists()


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    path = staging.write(tmp_path, TABLES, {"unit": "a"})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert staging.staged(tmp_path) == []


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".abc.tmp").write_bytes(b"half")
    assert staging.staged(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        staging.write(tmp_path, TABLES, {"unit": object()})
    assert list(tmp_path.iterdir()) == []
