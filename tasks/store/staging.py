"""One staged file a unit: several Arrow tables and a receipt, whole or not there, found again by what it says.

The file is a sequence of Arrow IPC files, then the receipt as JSON, its length (8 bytes) and the SHA-256 of all
before it (32 bytes). Staged files are not synced: at resume the SHA-256 decides whether one is whole.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.operation import canonical_json

TAIL = 8 + 32


class _Hashing:
    """A file that is hashed as it is written, so that its bytes are read no second time."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("xb")
        self.sha = hashlib.sha256()
        self.closed = False

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.sha.update(view)
        return self.file.write(view)

    def tell(self) -> int:
        return self.file.tell()

    def flush(self) -> None:
        self.file.flush()

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Stay open: several tables follow each other in one file."""


def write(folder: Path, tables: Mapping[str, pa.Table], receipt: Mapping[str, Any]) -> Path:
    """Stage tables and their receipt as one file, named by its content; equal content is staged once."""
    temporary = folder / f".{uuid.uuid4().hex}.tmp"
    sink = _Hashing(temporary)
    try:
        places = {}
        for name, table in tables.items():
            start = sink.tell()
            with pa.ipc.new_file(pa.PythonFile(sink, "w"), table.schema) as writer:
                writer.write_table(table)
            places[name] = [start, sink.tell() - start]
            sink.write(b"\0" * (-sink.tell() % 64))
        text = canonical_json({**receipt, "tables": places}).encode()
        sink.write(text)
        sink.write(len(text).to_bytes(8, "big"))
        digest = sink.sha.digest()
        sink.file.write(digest)
        sink.file.close()
        final = folder / f"unit-{digest.hex()[:32]}.arrow"
        temporary.replace(final)
        return final
    finally:
        sink.file.close()
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class Staged:
    """A staged file, mapped into memory; its tables share the mapping."""

    path: Path

    @cached_property
    def _buffer(self) -> pa.Buffer:
        with pa.memory_map(str(self.path)) as file:
            return file.read_buffer()

    @cached_property
    def receipt(self) -> dict[str, Any]:
        """What the unit says of itself: fingerprints, outputs, where its tables lie."""
        end = self._buffer.size - TAIL
        length = int.from_bytes(self._buffer.slice(end, 8).to_pybytes(), "big")
        loaded: dict[str, Any] = json.loads(self._buffer.slice(end - length, length).to_pybytes())
        return loaded

    def is_whole(self) -> bool:
        """Say whether every byte is as it was written."""
        if self.path.stat().st_size <= TAIL:
            return False
        whole = memoryview(self._buffer)
        return hashlib.sha256(whole[:-32]).digest() == bytes(whole[-32:])

    def table(self, name: str) -> pa.Table:
        """Give one of the tables, without copying it."""
        start, length = self.receipt["tables"][name]
        return pa.ipc.open_file(pa.BufferReader(self._buffer.slice(start, length))).read_all()


def staged(folder: Path) -> list[Staged]:
    """Find what is staged, removing what is not whole: temporary files, and those torn by a crash."""
    found, torn = sorted_out(folder)
    for path in torn:
        path.unlink()
    return found


def sorted_out(folder: Path) -> tuple[list[Staged], list[Path]]:
    """Tell the staged files that are whole from what is torn, or being written by a run at this moment."""
    found, torn = [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix == ".arrow" and Staged(path).is_whole():
            found.append(Staged(path))
        elif path.suffix in (".arrow", ".tmp"):
            torn.append(path)
    return found, torn
