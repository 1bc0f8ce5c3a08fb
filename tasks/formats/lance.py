"""Lance: columnar files with quick random access; a dataset a split, its columns as they are here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.errors import RequestError
from tasks.formats.writer import About, Row, Writer

ROWS = 1024  # a fragment


class Lance(Writer):
    """One Lance dataset a split (``train.lance``), with fragments of 1,024 rows, images and masks as bytes and path.

    The rows are the same every time; the files are not: Lance names them at random. Needs the package ``pylance``.
    """

    def __init__(self, folder: Path, about: About) -> None:
        super().__init__(folder, about)
        self._lance = _library()
        self._rows: list[Row] = []
        self._split = ""

    @classmethod
    def fits(cls, about: About) -> bool:
        """Say yes: every column has a place."""
        return True

    def shard(self, split: str) -> None:
        """End the split before."""
        if split != self._split:
            self._end()
            self._split = split

    def add(self, split: str, row: Row) -> None:
        """Keep a row until its fragment is full."""
        self._rows.append(row)
        if len(self._rows) == ROWS:
            self._end()

    def close(self) -> None:
        """Write the last fragment."""
        self._end()

    def _end(self) -> None:
        if not self._rows:
            return
        path = self.folder / f"{self._split}.lance"
        schema = self.about.schema.remove_metadata()
        table = pa.Table.from_pylist([{**row, **self._flat(row)} for row in self._rows], schema)
        self._lance.write_dataset(table, str(path), mode="append" if path.exists() else "create")
        self._rows.clear()

    def _flat(self, row: Row) -> dict[str, Any]:
        return {name: row[name].reshape(-1) for name in self.about.vectors if row[name] is not None}


def _library() -> Any:
    try:
        import lance
    except ModuleNotFoundError:
        raise RequestError("exporting to Lance needs pylance: pip install 'imagemill[lance]'") from None
    return lance
