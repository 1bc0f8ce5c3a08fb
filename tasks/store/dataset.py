"""A dataset as its readers see it: the newest version, or an older one, opened without a scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import RequestError
from tasks.store.keys import bounds
from tasks.store.local import Store


@dataclass(frozen=True)
class Dataset:
    """One version of a dataset: its counts, its files, its rows by id.

    ``version`` is the commit as it was written: files with rows, bytes and SHA-256, counts, the frozen pipeline.
    """

    store: Store
    version: Mapping[str, Any]

    @property
    def outputs(self) -> list[str]:
        """The outputs' names, the default one first."""
        return list(self.version["outputs"])

    @cached_property
    def splits(self) -> list[str]:
        """The splits that have rows."""
        return sorted({entry["split"] for entry in self.version["files"] if entry["rows"]})

    def files(self, output: str | None = None, split: str | None = None) -> list[Path]:
        """Give the Parquet files of an output (the default one) and a split (all), in key order.

        Raises ``RequestError`` where there is no such output.
        """
        name = output or self.outputs[0]
        if name not in self.outputs:
            raise RequestError(f"{self.store.root}: no output {name!r}; there are {', '.join(self.outputs)}")
        entries = [e for e in self.version["files"] if e["output"] == name and split in (None, e["split"])]
        return [self.store.path(entry["object"]) for entry in entries]

    def table(self, output: str | None = None, split: str | None = None, columns: list[str] | None = None) -> pa.Table:
        """Read an output (the default one) into memory, page checksums verified."""
        tables = [pq.read_table(p, columns=columns, page_checksum_verification=True) for p in self.files(output, split)]
        return pa.concat_tables(tables)

    def row(self, name: str, output: str | None = None) -> dict[str, Any] | None:
        """Give the row with this id, or nothing; only files whose key range holds it are opened."""
        for path, entry in zip(self.files(output), self._entries(output), strict=True):
            low, high = bounds(entry["prefix"])
            if low <= name and (high is None or name < high):
                found = pq.read_table(path, filters=[("id", "=", name)])
                if found.num_rows:
                    return dict(found.to_pylist()[0])
        return None

    def _entries(self, output: str | None) -> list[dict[str, Any]]:
        return [e for e in self.version["files"] if e["output"] == (output or self.outputs[0])]

    @cached_property
    def rejected(self) -> pa.Table:
        """Every source that did not make it: uri, step, reason, message, measure, limit, keeper."""
        return pa.concat_tables([pq.read_table(self.store.path(e["object"])) for e in self.version["rejected"]])


def open_dataset(root: str | Path, version: int | None = None) -> Dataset:
    """Open a dataset that imagemill made: the newest version, or the one of this number.

    Raises ``RequestError`` where ``root`` holds none.
    """
    store = Store(Path(root))
    found = store.latest() if version is None else store.version(version)
    if found is None:
        raise RequestError(f"{root}: no imagemill dataset (there is no committed version in it)")
    return Dataset(store, found)
