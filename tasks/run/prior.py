"""What is known from before: the newest version's tables, the index of what was last read, and what lies staged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.run.job import Stage
from tasks.run.make import MEASURES, NOT_MADE
from tasks.store.keys import ALL, KEY, Keys, bounds, covering, keys_of, match
from tasks.store.local import Store
from tasks.store.schema import FLAGS
from tasks.store.staging import Staged

INDEX = pa.schema([("key", KEY), ("size", pa.int64()), ("etag", pa.string()), ("sha256", KEY)])
IN_VERSION = -1  # in ``origin``: the rows lie in the version before, not in a staged file


def known_schema(stage: Stage) -> pa.Schema:
    """Give the measures' schema with where each output's rows lie, and whether the measures are today's."""
    return stage.measures.append(pa.field("origin", pa.list_(pa.int32()))).append(pa.field("measured", pa.bool_()))


def under(table: pa.Table, prefix: str) -> pa.Table:
    """Give the rows of a table sorted by key that lie under a bit prefix."""
    if prefix == ALL or not table.num_rows:
        return table
    keys = keys_of(table.column("key"))
    low, high = (bytes.fromhex(b) if b else None for b in bounds(prefix))
    start = int(np.searchsorted(keys, np.bytes_(low)))
    end = int(np.searchsorted(keys, np.bytes_(high))) if high else len(keys)
    return table.slice(start, end - start)


@dataclass(frozen=True)
class Prior:
    """The newest version seen through a stage: which of its artifacts still count, and its tables leaf by leaf."""

    store: Store
    version: Mapping[str, Any] | None
    stage: Stage

    @cached_property
    def current(self) -> dict[str, bool]:
        """Whether an artifact of the version has today's fingerprint."""
        before = self.version["fingerprints"] if self.version else {}
        return {name: before.get(name) == value for name, value in self.stage.fingerprints.items()}

    @cached_property
    def _order(self) -> list[int | None]:
        """For each output of today, its place among the version's, whose counts stand in ``rows``."""
        before = list(self.version["outputs"]) if self.version else []
        return [before.index(o.name) if o.name in before else None for o in self.stage.graph.outputs]

    def measures(self, prefix: str) -> pa.Table:
        """Give the version's measures under a leaf's prefix in today's columns; empty where nothing is known."""
        schema = known_schema(self.stage)
        files = {entry["prefix"]: entry for entry in self.version["measures"]} if self.version else {}
        entries = [files[name] for name in covering(files, prefix)]
        tables = [under(self._translated(self.store.table(entry), schema), prefix) for entry in entries]
        return pa.concat_tables(tables).combine_chunks() if tables else schema.empty_table()

    def _translated(self, table: pa.Table, schema: pa.Schema) -> pa.Table:
        rows = [self._counts(rows) for rows in table.column("rows").to_pylist()]
        nowhere = [IN_VERSION] * len(self.stage.graph.outputs)
        given = {
            "rows": pa.array(rows, schema.field("rows").type),
            "origin": pa.array([nowhere] * table.num_rows, schema.field("origin").type),
            "measured": pa.array([self.current["measures"]] * table.num_rows, pa.bool_()),
        }
        columns = []
        for field in schema:
            if field.name in given:
                columns.append(given[field.name])
            elif field.name in table.schema.names and table.schema.field(field.name).type == field.type:
                columns.append(table.column(field.name))
            else:
                columns.append(pa.nulls(table.num_rows, field.type))
        return pa.Table.from_arrays(columns, schema=schema)

    def _counts(self, rows: Sequence[int] | None) -> list[int]:
        return [NOT_MADE if place is None or not rows else rows[place] for place in self._order]

    @cached_property
    def dropped(self) -> dict[str, str]:
        """The ids that a decision of the version dropped, with the step that did."""
        found: dict[str, str] = {}
        for entry in self.version["decisions"] if self.version else []:
            if entry["prefix"] == FLAGS:
                continue
            table = self.store.table(entry, ["id", "step"])
            found.update(zip(table.column("id").to_pylist(), table.column("step").to_pylist(), strict=True))
        return found

    def index(self, prefix: str) -> pa.Table:
        """Give what was last read of each source under a prefix: newer than the version where only etags changed."""
        folder = self.store.path("index")
        names = [path.stem for path in folder.glob("*.parquet")] if folder.is_dir() else []
        tables = [INDEX.empty_table()]
        for name in covering(names, prefix):
            with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError):  # a cache: without it more is read
                tables.append(under(pq.read_table(folder / f"{name}.parquet", schema=INDEX), prefix))
        return pa.concat_tables(tables).sort_by("key").combine_chunks()


def usable_mask(one: Staged, stage: Stage) -> int:
    """Give the mask of the artifacts of a staged file that have today's fingerprint."""
    before = one.receipt["fingerprints"]
    if one.receipt["outputs"] != [output.name for output in stage.graph.outputs]:
        return 0
    same = [before[name] == value for name, value in stage.fingerprints.items()]
    return sum(bit << i for i, bit in enumerate(same))


def known(prior: pa.Table, keys: Keys, staged: Sequence[tuple[Staged, int]], stage: Stage) -> pa.Table:
    """Give all that is known of the listed ``keys``: the version's rows, overlaid by what is staged, newest last.

    ``staged`` comes with the mask of what counts of each file.
    """
    rows: dict[bytes, dict[int, dict[str, Any]]] = {}
    base = prior.filter(pa.array(match(keys_of(prior.column("key")), keys) >= 0))
    ours = list(_staged_rows(keys, staged))
    touched = np.unique(np.concatenate([keys[:0], *(keys_of(table.column("key")) for _, _, table in ours)]))
    inside = match(keys_of(base.column("key")), touched) >= 0
    for row in base.filter(pa.array(inside)).to_pylist():
        rows.setdefault(row["key"], {})[row["frame"]] = row
    for measured in (True, False):  # what was made of known measures comes after them, however the files are named
        for origin, usable, table in ours:
            chosen = (np.asarray(table.column("mask").to_numpy()) & MEASURES > 0) == measured
            _overlay(rows, table.filter(pa.array(chosen)).to_pylist(), origin, usable, stage)
    overlaid = [row for frames in rows.values() for row in frames.values()]
    merged = pa.Table.from_pylist(overlaid, known_schema(stage))
    whole = pa.concat_tables([base.filter(pa.array(~inside)), merged])
    return whole.sort_by([("key", "ascending"), ("frame", "ascending")]).combine_chunks()


def _staged_rows(keys: Keys, staged: Sequence[tuple[Staged, int]]) -> Iterator[tuple[int, int, pa.Table]]:
    """Give what staged files measured of these keys: the file's number, what counts of it, the rows."""
    for origin, (one, usable) in enumerate(staged):
        table = one.table("measures")
        here = match(keys_of(table.column("key")), keys) >= 0
        if here.any():
            yield origin, usable, table.filter(pa.array(here))


def _overlay(
    rows: dict[bytes, dict[int, dict[str, Any]]], table: list[dict[str, Any]], origin: int, usable: int, stage: Stage
) -> None:
    """Take a staged file's rows into what is known, source by source."""
    by_source: dict[bytes, list[dict[str, Any]]] = {}
    for row in table:
        by_source.setdefault(row["key"], []).append(row)
    for key, frames in by_source.items():
        before = rows.get(key, {})
        if frames[0]["mask"] == 0:  # read, and found to be as it was
            for row in before.values():
                row.update(size=frames[0]["size"], etag=frames[0]["etag"], digest=frames[0]["digest"])
            continue
        after: dict[int, dict[str, Any]] = {}
        for row in frames:
            mask = row.pop("mask") & usable
            old = before.get(row["frame"])
            if old is not None and (old["sha256"], old["digest"]) != (row["sha256"], row["digest"]):
                old = None  # of other bytes, or other things were said of it
            if not mask & MEASURES and old is None:
                continue
            counts, origins = [], []
            for i in range(len(stage.graph.outputs)):
                made = bool(mask >> (i + 1) & 1)
                counts.append(row["rows"][i] if made else old["rows"][i] if old else NOT_MADE)
                origins.append(origin if made else old["origin"][i] if old else IN_VERSION)
            if max(counts) > 0:  # what failed in the outputs made now is kept in another
                row["failure"] = None
            own = mask & MEASURES or row["failure"] is not None
            kept = row if own else {**(old or {}), "size": row["size"], "etag": row["etag"]}
            after[row["frame"]] = {**kept, "digest": row["digest"], "rows": counts, "origin": origins}
            after[row["frame"]]["measured"] = bool(own or (old and old["measured"]))
            if stage.mixing:
                mixed = row if mask & stage.mixing else old or {}
                after[row["frame"]].update({name: mixed.get(name) for name in ("tried", "partners")})
        if after:
            rows[key] = after
