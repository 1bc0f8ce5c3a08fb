"""A dataset as its readers see it: the newest version, or an older one, opened without a scheduler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import RequestError
from tasks.store.keys import bounds
from tasks.store.local import Store, whole
from tasks.store.reading import Rows
from tasks.store.remote import store_to_read
from tasks.store.schema import DECISIONS, FLAGS


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

    @property
    def fits(self) -> dict[str, Any]:
        """What fitted steps were fitted to, by step: the operation, how many images, the values."""
        return dict(self.version.get("fits", {}))

    @property
    def weights(self) -> dict[str, dict[str, float]]:
        """Each class's weight, for each step that balances by weights: what a sampler draws its images by."""
        return dict(self.version.get("weights", {}))

    @cached_property
    def splits(self) -> list[str]:
        """The splits that have rows."""
        return sorted({entry["split"] for entry in self.version["files"] if entry["rows"]})

    def files(self, output: str | None = None, split: str | None = None) -> list[Path]:
        """Give the Parquet files of an output (the default one) and a split (all), in key order.

        Raises ``RequestError`` where there is no such output, or it has no rows in the split.
        """
        return [self.store.path(entry["object"]) for entry in self.entries(output, split)]

    def entries(self, output: str | None = None, split: str | None = None) -> list[dict[str, Any]]:
        """Give what the version says of the files of an output (the default one) and a split (all), in key order.

        Raises ``RequestError`` where there is no such output, or it has no rows in the split.
        """
        name = output or self.outputs[0]
        if name not in self.outputs:
            raise RequestError(f"{self.store.location}: no output {name!r}; there are {', '.join(self.outputs)}")
        found = [entry for entry in self.version["files"] if entry["output"] == name]
        splits = sorted({entry["split"] for entry in found if entry["rows"]})
        if split is not None and split not in splits:
            there = ", ".join(splits) or "none"
            raise RequestError(f"{self.store.location}: no rows in a split {split!r}; there are {there}")
        return [entry for entry in found if split in (None, entry["split"])]

    def table(self, output: str | None = None, split: str | None = None, columns: list[str] | None = None) -> pa.Table:
        """Read an output (the default one) into memory, page checksums verified."""
        return pa.concat_tables([self.store.table(entry, columns) for entry in self.entries(output, split)])

    def rows(
        self,
        output: str | None = None,
        split: str | None = None,
        columns: Sequence[str] | None = None,
        decoded: bool = True,
    ) -> Rows:
        """Give an output's rows (the default one's) as training reads them, by number or as a shuffled stream.

        Raises ``RequestError`` where there is no such output, split or column.
        """
        self.entries(output, split)
        return Rows(self, output or self.outputs[0], split, None if columns is None else tuple(columns), decoded)

    @cached_property
    def _all(self) -> Rows:
        return self.rows()

    def __len__(self) -> int:
        """Give the number of rows of the default output."""
        return len(self._all)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Give a row of the default output by its number, decoded."""
        return self._all[number]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._all)

    def row(self, name: str, output: str | None = None) -> dict[str, Any] | None:
        """Give the row with this id, or nothing; only files whose key range holds it are opened."""
        for entry in self.entries(output):
            low, high = bounds(entry["prefix"])
            if low <= name and (high is None or name < high):
                found = self.store.table(entry, filters=[("id", "=", name)])
                if found.num_rows:
                    return dict(found.to_pylist()[0])
        return None

    @cached_property
    def rejected(self) -> pa.Table:
        """Every source that did not make it: uri, step, reason, message, measure, limit, keeper."""
        return pa.concat_tables([self.store.table(entry) for entry in self.version["rejected"]])

    @cached_property
    def flags(self) -> pa.Table:
        """What was noted of images that stay: id, step, reason, message, keeper, score, limit."""
        found = [self.store.table(entry) for entry in self.version["decisions"] if entry["prefix"] == FLAGS]
        return pa.concat_tables(found) if found else DECISIONS.empty_table()

    @cached_property
    def schemas(self) -> dict[str, pa.Schema]:
        """Each output's schema, as its first file has it."""
        found = {}
        for name in self.outputs:
            with whole(self.files(name)[0]) as path:
                found[name] = pq.read_schema(path)
        return found


def open_dataset(root: str | Path, version: int | None = None) -> Dataset:
    """Open a dataset that imagemill made: the newest version, or the one of this number.

    Raises ``RequestError`` where ``root`` holds none.
    """
    store = store_to_read(root)
    found = store.latest() if version is None else store.version(version)
    if found is None:
        raise RequestError(
            f"{root}: no imagemill dataset: there is no dataset here, or nothing is committed yet; "
            "run its pipeline first"
        )
    return Dataset(store, found)
