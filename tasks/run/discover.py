"""Discover: list the source, fix the class list and the schema, and lay the listing out in leaves sorted by key."""

from __future__ import annotations

import hashlib
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.collection.split import Split
from tasks.errors import RequestError
from tasks.load.listing import LISTING
from tasks.load.manifest import MissingColumn
from tasks.load.source import Source, SourceSpec, open_source
from tasks.operation import Target, canonical_json
from tasks.pipeline.explain import hint
from tasks.pipeline.graph import Graph, ancestors
from tasks.pipeline.spec import Place, SpecError
from tasks.store.keys import ALL, KEY, keys_of, leading, refuse_collisions
from tasks.store.schema import Contents, class_list, measure_columns
from tasks.store.tree import DEPTH, grow, histogram

LEAF_SOURCES = 65_536
BUCKET_BITS = 8
HELD_LEAVES = 4  # in memory at a time
PARTITION = re.compile(r"\w[\w.-]*")


def opened(graph: Graph, source: SourceSpec) -> Source:
    """Open a pipeline's source. A column that a manifest lacks is a mistake of the pipeline file."""
    try:
        found = open_source(source)
    except MissingColumn as missing:
        raise SpecError.at(graph.spec.place("source", missing.option), str(missing)) from missing
    _refuse_unknown_fields(graph, found)
    return found


def _refuse_unknown_fields(graph: Graph, source: Source) -> None:
    """Raise where a ``where`` names what no row has there: split, label, a manifest's column, an earlier measure."""
    given = ("split", "label", *(("fold",) if graph.split and graph.split.folds else ()))
    for i, node in enumerate(graph.nodes.values()):
        before = [graph.nodes[name] for name in ancestors(node.needs, graph.nodes)]
        measured = [column for one in before if not one.expanded for column in measure_columns(one).values()]
        unknown = [name for name in node.where if name not in (*given, *measured)]
        for name in unknown:
            known = (*given, *source.columns.names, *measured)
            if name not in known:
                place = graph.spec.place("steps", i, "where", name)
                raise SpecError.at(place, f"no row has a field `{name}` at {node.id}{hint(name, known)}")
        parts = _parts(graph)
        for name in set(node.where) & parts.keys():
            values = parts[name]
            if node.where[name] not in values or isinstance(node.where[name], bool):
                place = graph.spec.place("steps", i, "where", name)
                there = ", ".join(map(str, values)) if name == "split" else f"whole numbers 0 to {values[-1]}"
                raise SpecError.at(place, f"no row has the {name} {node.where[name]!r}; there are {there}")


def _parts(graph: Graph) -> dict[str, Sequence[Any]]:
    """Give the splits that there are, and the folds, unless `fold` can only be a column of the source's own."""
    if graph.split is None:
        return {"split": ("train",)}
    folds = graph.split.folds
    return {"split": graph.split.names, **({"fold": range(folds)} if folds is not None else {})}


@dataclass
class Listing:
    """All sources, sorted by key within leaves of at most 65,536: the unit of everything that is planned.

    A listing of more than one leaf lies in 256 buckets below ``folder``, each read, sorted and planned alone.
    """

    source: Source
    graph: Graph
    folder: Path
    held: list[pa.RecordBatch] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    boxes: bool = False
    sources: int = 0
    spilled: bool = False
    cells: Any = field(default_factory=lambda: np.zeros(1 << DEPTH, dtype=np.int64))
    _buckets: dict[int, Any] = field(default_factory=dict)
    _leaves: dict[str, pa.Table] = field(default_factory=dict)

    @classmethod
    def read(cls, source: Source, graph: Graph, folder: Path, limit: int | None = None) -> Listing:
        """List the source; with ``limit``, only its smallest keys."""
        listing = cls(source, graph, folder)
        for batch in source.listing():
            listing._add(batch)
        listing._close()
        if limit is not None:
            listing._limit(limit)
        return listing

    def _add(self, batch: pa.RecordBatch) -> None:
        self.sources += len(batch)
        self.labels.update(label for label in pc.unique(batch.column("label")).to_pylist() if label is not None)
        self.boxes = self.boxes or batch.column("annotations").null_count < len(batch)
        heads = leading(keys_of(batch.column("key")))
        self.cells += histogram(heads, np.ones(len(heads), dtype=np.int64))
        self.held.append(batch)
        if self.spilled or self.sources > LEAF_SOURCES:
            self._spill()

    def _spill(self) -> None:
        self.spilled = True
        self.folder.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_batches(self.held)
        buckets = leading(keys_of(table.column("key"))) >> np.uint64(64 - BUCKET_BITS)
        for bucket in np.unique(buckets):
            if bucket not in self._buckets:
                path = str(self.folder / f"{int(bucket):08b}.arrow")
                self._buckets[bucket] = pa.ipc.new_stream(path, table.schema)
            self._buckets[bucket].write_table(table.filter(pa.array(buckets == bucket)))
        self.held = []

    def _close(self) -> None:
        for writer in self._buckets.values():
            writer.close()

    def _limit(self, limit: int) -> None:
        kept, count = [], 0
        for prefix in self.leaves:
            leaf = self._listed(prefix).slice(0, max(0, limit - count))
            count += leaf.num_rows
            kept.append(leaf)
            if count >= limit:
                break
        whole = pa.concat_tables(kept) if kept else self._listed(ALL)
        self.close()
        self.held, self.spilled = whole.to_batches(), False
        self.sources = whole.num_rows
        self.cells = histogram(leading(keys_of(whole.column("key"))), np.ones(whole.num_rows, dtype=np.int64))
        self.__dict__.pop("leaves", None)

    def close(self) -> None:
        """Remove what was spilled."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def contents(self) -> Contents:
        """What the listing fixes before any row."""
        kinds = self.source.kinds
        boxes = (self.boxes and not kinds.masks) or (kinds.masks and _makes_boxes(self.graph))
        categories = _categories(self.graph, tuple(self.source.categories))
        return Contents(class_list(list(self.labels)), categories, boxes, self.source.columns, kinds)

    @cached_property
    def leaves(self) -> list[str]:
        """The prefixes of the leaves in key order; one, ``all``, for a collection of at most 65,536."""
        return grow(self.cells, LEAF_SOURCES, lambda prefix: self._weights(prefix)) or [ALL]

    def _weights(self, prefix: str) -> tuple[Any, Any]:
        heads = leading(keys_of(self._listed(prefix).column("key")))
        return heads, np.ones(len(heads), dtype=np.int64)

    def _listed(self, prefix: str) -> pa.Table:
        """Give the listed sources under a prefix, sorted by key."""
        bits = "" if prefix == ALL else prefix
        schema = pa.unify_schemas([LISTING, self.source.columns])
        if self.spilled:
            tables = [
                pa.ipc.open_stream(path).read_all()
                for path in sorted(self.folder.glob("*.arrow"))
                if path.stem.startswith(bits[:BUCKET_BITS])
            ]
        else:
            tables = [pa.Table.from_batches(self.held)] if self.held else []
        table = pa.concat_tables([t.select(schema.names).cast(schema) for t in tables] or [schema.empty_table()])
        if bits:
            heads = leading(keys_of(table.column("key"))) >> np.uint64(64 - len(bits))
            table = table.filter(pa.array(heads == np.uint64(int(bits, 2))))
        return table.take(pa.array(np.argsort(keys_of(table.column("key")), kind="stable")))

    def leaf(self, prefix: str) -> pa.Table:
        """Give a leaf's sources sorted by key, with the digest of what is said about each, its split and partition."""
        if prefix not in self._leaves:
            if len(self._leaves) >= HELD_LEAVES:
                self._leaves.clear()
            self._leaves[prefix] = self._leaf(prefix)
        return self._leaves[prefix]

    def _leaf(self, prefix: str) -> pa.Table:
        table = self._listed(prefix)
        refuse_collisions(keys_of(table.column("key")), table.column("uri"))
        said = [name for name in table.schema.names if name not in ("key", "uri", "size", "etag")]
        table = table.append_column(pa.field("digest", KEY), digests(table.select(said)))
        table = self._with_splits(table)
        return table.append_column("partition", self._partitions(table))

    def _partitions(self, table: pa.Table) -> pa.Array:
        column = self.graph.spec.partition
        if column is None:
            return pa.nulls(table.num_rows, pa.string())
        values = self._column(table, column, self.graph.spec.place("partition"))
        bad = next((v for v in values if v is None or not PARTITION.fullmatch(v)), "")
        if bad != "":
            raise RequestError(
                f"partition: {column}: {bad!r} cannot stand in a file name; use letters, digits, _, - and ."
            )
        return pa.array(values, pa.string())

    def _column(self, table: pa.Table, name: str, place: Place) -> list[str | None]:
        if name not in table.schema.names:
            there = ["label", *self.source.columns.names]
            raise SpecError.at(place, f"there is no column {name!r} in the source{hint(name, there)}")
        return [_text(value) for value in table.column(name).to_pylist()]

    def _with_splits(self, table: pa.Table) -> pa.Table:
        """Add the split, and the fold where there are folds."""
        split: Split | None = self.graph.split
        if split is None:
            return table.append_column("split", pa.array(["train"] * table.num_rows, pa.string()))
        keys = table.column("key").to_pylist()
        groups, strata = (self._by(table, split, name) for name in (split.group, split.stratify))
        splits = [split.assign(*one) for one in zip(keys, groups, strata, strict=True)]
        table = table.append_column("split", pa.array(splits, pa.string()))
        if split.folds is None:
            return table
        if "fold" in table.schema.names:
            message = "the source has a column `fold` already: leave `folds` out, or rename the column"
            raise SpecError.at(self._place(split), message)
        folds = [split.fold(key, group) for key, group in zip(keys, groups, strict=True)]
        return table.append_column("fold", pa.array(folds, pa.int32()))

    def _by(self, table: pa.Table, split: Split, name: str | None) -> list[str | None]:
        if name is None:
            return [None] * table.num_rows
        return self._column(table, name, self._place(split))

    def _place(self, split: Split) -> Place:
        return next(node.place for node in self.graph.nodes.values() if node.operation is split)


def _text(value: Any) -> str | None:
    """Give a column's value as text: whole numbers alike, however a table's writer holds them, and NaN as missing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return None if value is None else str(int(value) if isinstance(value, float) and value == int(value) else value)


def _targets(graph: Graph) -> dict[str, list[Target]]:
    """Give the operations on targets in each step, those nested in it included."""
    return {
        name: [one for one in (node.operation, *node.operation.nested()) if isinstance(one, Target)]
        for name, node in graph.nodes.items()
    }


def _makes_boxes(graph: Graph) -> bool:
    return any(one.makes_boxes for some in _targets(graph).values() for one in some)


def _categories(graph: Graph, listed: tuple[str, ...]) -> tuple[str, ...]:
    """Give the categories that boxes may have in any output: the listing's, in its order, then new ones by name."""
    after: dict[str, tuple[str, ...]] = {}
    for name, some in _targets(graph).items():
        needs = graph.nodes[name].needs
        names = tuple(dict.fromkeys(one for need in needs for one in after[need])) if needs else listed
        after[name] = names
        nested = not isinstance(graph.nodes[name].operation, Target)
        for one in some:
            made = one.categories_after(after[name])
            passing = graph.nodes[name].where or nested  # rows that it does not reach keep their names
            after[name] = tuple(dict.fromkeys((*(after[name] if passing else ()), *made)))
    reached = {one for output in graph.outputs for source in output.spec.sources for one in after[source]}
    return (*(name for name in listed if name in reached), *sorted(reached - set(listed)))


def digests(said: pa.Table) -> pa.Array:
    """Give the SHA-256 of each row's label, annotations and manifest columns."""
    made: dict[str, bytes] = {}

    def digest(row: Mapping[str, Any]) -> bytes:
        text = canonical_json({name: _json(value) for name, value in row.items()})
        if text not in made:
            if len(made) > 10_000:
                made.clear()
            made[text] = hashlib.sha256(text.encode()).digest()
        return made[text]

    return pa.array([digest(row) for row in said.to_pylist()], KEY)


def _json(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return repr(value)
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
