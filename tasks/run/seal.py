"""Seal: join a shard's staged rows with the version's unchanged ones, in id order, and write the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import ImagemillError
from tasks.pipeline.graph import Graph
from tasks.run.job import Job
from tasks.store import writer
from tasks.store.keys import ID_DIGITS, Keys, keys_of, keys_of_ids, match
from tasks.store.local import Store, whole
from tasks.store.staging import Staged

CHUNK = 64  # sources gathered at a time: bounds what a worker holds beside a row group


@dataclass(frozen=True)
class Shard:
    """What a shard must hold: its place in the tree, and for each source how many rows come from where.

    ``promised`` has key, rows and origin, sorted by key: an index into ``staged``, or -1 for the ``previous`` files.
    """

    output: str
    split: str
    partition: str | None
    prefix: str
    digest: str
    promised: pa.Table
    staged: tuple[str, ...]
    previous: tuple[str, ...]

    @property
    def name(self) -> str:
        """The shard's place: split, partition and prefix."""
        parts = [self.split, *([self.partition] if self.partition is not None else []), self.prefix]
        return "-".join(parts)


@dataclass(frozen=True)
class Sealed:
    """A shard that lies in the dataset, as its version names it."""

    output: str
    split: str
    partition: str | None
    prefix: str
    digest: str
    object: str
    path: str
    rows: int
    bytes: int
    sha256: str


def folder_of(graph: Graph, output: str) -> str:
    """Give the folder that shows an output: the first one's is ``data``."""
    return "data" if graph.outputs[0].name == output else output


def seal(shard: Shard, job: Job) -> Sealed:
    """Write one shard and publish it under its content's name.

    Raises ``ImagemillError`` where the rows found are not exactly those promised.
    """
    store = Store(Path(job.dataset))
    schema = job.stage.schemas[shard.output]
    rows = int(np.sum(np.asarray(shard.promised.column("rows").to_numpy())))
    temporary = store.temporary()
    try:
        written = writer.write(temporary, schema, _rows(shard, store, schema), rows)
        path = f"{folder_of(job.stage.graph, shard.output)}/{shard.name}-{written.sha256[:16]}.parquet"
        store.publish(temporary, f"objects/{path}", written.sha256)
    finally:
        temporary.unlink(missing_ok=True)
    about = (shard.output, shard.split, shard.partition, shard.prefix, shard.digest)
    return Sealed(*about, f"objects/{path}", path, written.rows, written.bytes, written.sha256)


def _rows(shard: Shard, store: Store, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    staged = [_StagedRows(Path(path), shard.output) for path in shard.staged]
    previous = [_PreviousRows(store.path(name)) for name in shard.previous]
    for start in range(0, shard.promised.num_rows, CHUNK):
        chunk = shard.promised.slice(start, CHUNK)
        keys, origins = keys_of(chunk.column("key")), np.asarray(chunk.column("origin").to_numpy())
        found = [staged[origin].of(keys[origins == origin]) for origin in np.unique(origins).tolist() if origin >= 0]
        if (origins < 0).any():
            found += [one.of(keys[origins < 0]) for one in previous]
        table = pa.concat_tables([one.select(["key", *schema.names]) for one in found]).sort_by("id")
        _refuse_other(shard, chunk, table)
        yield from table.select(schema.names).cast(schema).combine_chunks().to_batches()


def _refuse_other(shard: Shard, chunk: pa.Table, table: pa.Table) -> None:
    """Compare what was found with what the tables promise, key by key."""
    keys, promised = keys_of(chunk.column("key")), np.asarray(chunk.column("rows").to_numpy())
    found = np.bincount(np.searchsorted(keys, keys_of(table.column("key"))), minlength=len(keys))
    wrong = np.flatnonzero(found != promised)
    if len(wrong):
        names = ", ".join(
            f"{bytes(keys[i]).ljust(32, bytes(1)).hex()[:ID_DIGITS]} ({promised[i]} promised, {found[i]} found)"
            for i in wrong[:5].tolist()
        )
        raise ImagemillError(
            f"shard {shard.output}/{shard.name}: rows do not add up for {len(wrong)} sources: {names}; "
            "nothing was committed; run again with --fresh, and report this"
        )


class _StagedRows:
    """The rows of one output in a staged file, found by key."""

    def __init__(self, path: Path, output: str) -> None:
        self.table = Staged(path).table(f"rows.{output}").combine_chunks()
        self.keys = keys_of(self.table.column("key"))

    def of(self, keys: Keys) -> pa.Table:
        low, high = np.searchsorted(self.keys, keys, "left"), np.searchsorted(self.keys, keys, "right")
        rows = [np.arange(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
        return self.table.take(pa.array(np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)))


class _PreviousRows:
    """The rows of a shard of the version before, read forwards one row group at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with whole(path):
            self.file = pq.ParquetFile(path, page_checksum_verification=True)
        self.group = 0
        self.held: pa.Table | None = None

    def of(self, keys: Keys) -> pa.Table:
        """Give the rows of these sorted keys, which are beyond those asked for before."""
        last = bytes(keys[-1]).ljust(32, bytes(1)).hex()[:ID_DIGITS] + "~"
        ids = np.array([bytes(key).ljust(32, bytes(1))[:10].ljust(32, bytes(1)) for key in keys], dtype="S32")
        found = []
        while True:
            if self.held is None:
                if self.group == self.file.num_row_groups:
                    break
                with whole(self.path):
                    self.held = _keyed(self.file.read_row_group(self.group))
                self.group += 1
            places = match(keys_of(self.held.column("key")), ids)
            rows = np.flatnonzero(places >= 0)
            part = self.held.take(pa.array(rows))
            full = pa.array([bytes(keys[i]).ljust(32, bytes(1)) for i in places[rows].tolist()], pa.binary(32))
            found.append(part.set_column(part.schema.get_field_index("key"), "key", full))
            if self.held.column("id")[-1].as_py() > last:
                break
            self.held = None
        return pa.concat_tables(found) if found else _keyed(self.file.schema_arrow.empty_table())


def _keyed(table: pa.Table) -> pa.Table:
    return table.append_column("key", keys_of_ids(table.column("id")))
