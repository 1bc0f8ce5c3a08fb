"""What the report says in numbers, read from the newest version and its tables: only the columns that are needed.

Tables are read batch by batch. What grows with the number of images is counted or binned, and where a part stands for
the whole it is the first rows by id: ids are hashes, so that is a random sample, and the same one every time.
"""

from __future__ import annotations

import heapq
import importlib
import importlib.util
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import ValidationError

from tasks.errors import RequestError
from tasks.operation import Check
from tasks.pipeline.steps import operation_of
from tasks.store.dataset import open_dataset
from tasks.store.keys import row_id
from tasks.store.local import Store

FINE_BINS = 2_400  # quantiles are exact to the 2,400th part of the range
BINS = 40  # that are drawn
POINTS = 2_000
REJECTS = 50  # shown a reason
VERSIONS = 50  # shown of the history
BATCH = 65_536
SIZES = {"min_size": "below", "max_size": "above"}  # checks whose measures are width and height
LIMITS = {"below": "below", "min": "below", "above": "above", "max": "above"}  # a parameter -> the side that is bad


@dataclass(frozen=True)
class Threshold:
    """A limit that a step sets on a measure: images on its bad side are rejected."""

    limit: float
    side: str  # below or above


@dataclass
class Measure:
    """How one measure is distributed over all images that were measured, kept or not."""

    name: str
    low: float
    high: float
    threshold: Threshold | None = None
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(FINE_BINS, dtype=np.int64))
    bad: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, dtype=np.int64))

    @property
    def measured(self) -> int:
        """How many images have this measure."""
        return int(self.counts.sum())

    def add(self, values: NDArray[np.float64]) -> None:
        """Count values, in the bins and beyond the threshold."""
        self.counts += np.histogram(values, bins=FINE_BINS, range=(self.low, self.high))[0]
        if self.threshold is not None:
            bad = values < self.threshold.limit if self.threshold.side == "below" else values > self.threshold.limit
            self.bad += np.histogram(values[bad], bins=BINS, range=(self.low, self.high))[0]

    @property
    def beyond(self) -> int:
        """How many images lie on the bad side of the threshold."""
        return int(self.bad.sum())

    def bars(self) -> list[tuple[float, float, int, int]]:
        """Give the bars that are drawn: from, to, how many, and how many of these beyond the threshold."""
        edges = np.linspace(self.low, self.high, BINS + 1).tolist()
        counts = self.counts.reshape(BINS, -1).sum(axis=1).tolist()
        return list(zip(edges[:-1], edges[1:], counts, self.bad.tolist(), strict=True))

    def quantile(self, share: float) -> float:
        """Give the value below which a share of the images lies, with as many digits as the bins tell."""
        width = (self.high - self.low) / FINE_BINS
        reached = int(np.searchsorted(np.cumsum(self.counts), share * self.measured))
        return round(self.low + (reached + 0.5) * width, -math.ceil(math.log10(width)))


@dataclass(frozen=True)
class Point:
    """How many images of the sample have one size and one fate."""

    width: int
    height: int
    kept: bool
    images: int


@dataclass(frozen=True)
class Reason:
    """Why images were rejected: how many in all, and the rows that are shown."""

    name: str
    images: int
    rows: list[dict[str, Any]]

    @property
    def hidden(self) -> int:
        """How many images are not shown."""
        return self.images - len(self.rows)


@dataclass(frozen=True)
class Past:
    """A version, as the history shows it."""

    number: int
    created: str
    counts: Mapping[str, Any]


@dataclass(frozen=True)
class Statistics:
    """The numbers of one dataset's newest version. Each is read when it is asked for, once."""

    store: Store
    version: Mapping[str, Any]

    @classmethod
    def of(cls, root: str | Path, version: int | None = None) -> Statistics:
        """Open a dataset: its newest version, or the one of this number. Raises ``RequestError`` if there is none."""
        found = open_dataset(root, version)
        return cls(found.store, found.version)

    @property
    def counts(self) -> Mapping[str, Any]:
        """The sum, as the version states it."""
        found: Mapping[str, Any] = self.version["counts"]
        return found

    @property
    def outputs(self) -> list[str]:
        """The outputs' names, the default one first."""
        return list(self.version["outputs"])

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps, as they are frozen in the version."""
        return list(self.version["pipeline"]["steps"])

    @cached_property
    def splits(self) -> list[str]:
        """The splits of all outputs: train, validation and test first."""
        known = ("train", "validation", "test")
        names = {entry["split"] for entry in self.version["files"]}
        return sorted(names, key=lambda s: (known.index(s) if s in known else len(known), s))

    @cached_property
    def whole(self) -> bool:
        """Whether the sum adds up, counted again from the tables that the version names."""
        counts = self.counts
        listed = sum(entry["rows"] for entry in self.version["measures"])
        rejected = sum(entry["rows"] for entry in self.version["rejected"])
        adds_up = counts["listed"] == counts["kept"] + counts["rejected"]
        return bool(adds_up and listed == counts["listed"] and rejected == counts["rejected"])

    @cached_property
    def size(self) -> int:
        """The bytes of all shards."""
        return sum(entry["bytes"] for entry in self.version["files"])

    def files(self, output: str) -> list[dict[str, Any]]:
        """Give an output's files: train first, then by name, so that the tree is walked from its first leaf."""
        found = [entry for entry in self.version["files"] if entry["output"] == output]
        return sorted(found, key=lambda entry: (self.splits.index(entry["split"]), entry["path"]))

    def open(self, entry: Mapping[str, Any]) -> pq.ParquetFile:
        """Open a file of the version. Raises ``RequestError`` where it is gone."""
        path = self.store.path(entry["object"])
        if not path.is_file():
            number = self.version["version"]
            raise RequestError(f"{path}: this file of version {number} is missing; run `imagemill verify`")
        return pq.ParquetFile(path)

    def schema(self, output: str) -> pa.Schema:
        """Give an output's schema, as its first file has it."""
        files = self.files(output)
        return self.open(files[0]).schema_arrow if files else pa.schema([])

    @cached_property
    def classes(self) -> dict[str, Counter[str]]:
        """Rows of the first output by class and split; empty without classes."""
        names = self.version["classes"]
        found: dict[str, Counter[str]] = {name: Counter() for name in names}
        if not names or "label" not in self.schema(self.outputs[0]).names:
            return {}
        for entry, labels in self._columns("label"):
            for label, rows in _counted(labels):
                name = names[label] if label is not None and 0 <= label < len(names) else "(no label)"
                found.setdefault(name, Counter())[entry["split"]] += rows
        return found

    @cached_property
    def categories(self) -> dict[str, Counter[str]]:
        """Boxes in the first output by category and split; empty without boxes."""
        names = self.version["categories"]
        if not names or "objects" not in self.schema(self.outputs[0]).names:
            return {}
        found: dict[str, Counter[str]] = {name: Counter() for name in names}
        for entry, objects in self._columns("objects.list.element.category"):
            for category, boxes in _counted(pc.struct_field(pc.list_flatten(objects), "category")):
                if category is not None and 0 <= category < len(names):
                    found[names[category]][entry["split"]] += boxes
        return found

    def _columns(self, leaf: str) -> Iterator[tuple[dict[str, Any], pa.Array]]:
        """Read one leaf of the first output's files, batch by batch."""
        for entry in self.files(self.outputs[0]):
            for batch in self.open(entry).iter_batches(BATCH, columns=[leaf]):
                yield entry, batch.column(0)

    @cached_property
    def measures(self) -> list[Measure]:
        """How each measure is distributed, in the order of the pipeline's checks."""
        files = [self.open(entry) for entry in self.version["measures"]]
        if not files:
            return []
        schema = files[0].schema_arrow
        names = [column.name for column in schema if pa.types.is_floating(column.type)]
        limits = thresholds(self.steps)
        spans = _spans(files, names)
        found = {name: Measure(name, *spans[name], limits.get(name)) for name in names if name in spans}
        for file in files:
            for batch in file.iter_batches(BATCH, columns=list(found)) if found else ():
                for name, measure in found.items():
                    measure.add(_finite(batch.column(name)))
        return list(found.values())

    @cached_property
    def sizes(self) -> list[Point]:
        """The sizes of the first sources by key, and whether they were kept."""
        tables = []
        left = POINTS
        for entry in self.version["measures"]:
            if left > 0:
                batches = self.open(entry).iter_batches(min(BATCH, left), columns=["key", "frame", "width", "height"])
                tables += [batch.slice(0, left) for batch in [next(batches, None)] if batch is not None]
                left = POINTS - sum(len(table) for table in tables)
        rows = [row for table in tables for row in table.to_pylist() if row["width"] and row["height"]]
        all_frames = self.version["pipeline"].get("source", {}).get("frames") == "all"
        ids = [row_id(row["key"], row["frame"] if all_frames else None) for row in rows]
        lost = self._rejected_among(ids)
        found = Counter((row["width"], row["height"], name not in lost) for row, name in zip(rows, ids, strict=True))
        return [Point(*point, images) for point, images in sorted(found.items())]

    def _rejected_among(self, ids: Sequence[str]) -> set[str]:
        wanted = pa.array(ids, pa.string())
        found: set[str] = set()
        for batch in self._rejected(["id"]):
            column = batch.column("id")
            found.update(column.filter(pc.is_in(column, value_set=wanted)).to_pylist())
        return found

    def _rejected(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for entry in self.version["rejected"]:
            if entry["rows"]:
                yield from self.open(entry).iter_batches(BATCH, columns=columns)

    @cached_property
    def lost(self) -> Counter[str]:
        """Images rejected at each step; those that could not be read stand under the empty name."""
        known = {step["id"] for step in self.steps}
        found: Counter[str] = Counter()
        for batch in self._rejected(["step"]):
            for step, images in _counted(batch.column("step")):
                found[step if step in known else ""] += images
        return found

    @cached_property
    def reasons(self) -> list[Reason]:
        """Why images were rejected, the commonest reason first, each with its first rows by id."""
        images: Mapping[str, int] = self.counts["reasons"]
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in images}
        for batch in self._rejected():
            lacking = [name for name, found in rows.items() if len(found) < min(REJECTS, images[name])]
            if not lacking:
                break
            for name in lacking:
                chosen = batch.filter(pc.equal(batch.column("reason"), name))
                rows[name] += chosen.slice(0, REJECTS - len(rows[name])).to_pylist()
        common = sorted(rows, key=lambda name: (-images[name], name))
        return [Reason(name, images[name], sorted(rows[name], key=lambda row: row["uri"] or "")) for name in common]

    def kept_instead(self, groups: int, members: int) -> list[tuple[str, list[dict[str, Any]], int]]:
        """Give the images that were kept instead of most others: the URI, the first of the others, and how many."""
        images: Counter[str] = Counter()
        for batch in self._rejected(["keeper"]):
            images.update(dict(_counted(batch.column("keeper").drop_null())))
        largest = heapq.nsmallest(groups, images.items(), key=lambda one: (-one[1], one[0]))
        rows: dict[str, list[dict[str, Any]]] = {uri: [] for uri, _ in largest}
        wanted = pa.array(list(rows), pa.string())
        for batch in self._rejected() if rows else ():
            for row in batch.filter(pc.is_in(batch.column("keeper"), value_set=wanted)).to_pylist():
                if len(rows[row["keeper"]]) < members:
                    rows[row["keeper"]].append(row)
        return [(uri, rows[uri], number) for uri, number in largest]

    @cached_property
    def history(self) -> list[Past]:
        """The versions, newest first."""
        numbers = heapq.nlargest(VERSIONS, self.store.versions())
        versions = (self.version if n == self.version["version"] else self.store.version(n) for n in numbers)
        return [Past(v["version"], v["created"], v["counts"]) for v in versions]

    @cached_property
    def older(self) -> int:
        """How many versions the history leaves out."""
        return len(self.store.versions()) - len(self.history)


def _counted(column: pa.Array) -> list[tuple[Any, int]]:
    return [(one["values"], one["counts"]) for one in pc.value_counts(column).to_pylist()]


def _spans(files: Sequence[pq.ParquetFile], names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Give each column's range; scores between 0 and 1 get that whole range."""
    found: dict[str, tuple[float, float]] = {}
    for file in files:
        for batch in file.iter_batches(BATCH, columns=list(names)) if names else ():
            for name in names:
                values = _finite(batch.column(name))
                if len(values):
                    low, high = found.get(name, (np.inf, -np.inf))
                    found[name] = min(low, float(values.min())), max(high, float(values.max()))
    return {name: _rounded(*span) for name, span in found.items()}


def _rounded(low: float, high: float) -> tuple[float, float]:
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _finite(column: pa.Array) -> NDArray[np.float64]:
    values = np.asarray(column.drop_null().to_numpy(zero_copy_only=False), dtype=np.float64)
    return values[np.isfinite(values)]


def thresholds(steps: Sequence[Mapping[str, Any]]) -> dict[str, Threshold]:
    """Find the limits that the frozen steps set on measures, by the measures' columns; defaults count too."""
    found: dict[str, Threshold] = {}
    for step in steps:
        name, parameters = _taken_apart(step)
        nested = [(inner["id"], *_taken_apart(inner)) for inner in parameters.get("checks") or _usual(name)]
        prefix = "" if step["id"] == name else f"{step['id']}_"
        for inner_id, inner_name, inner in nested:
            found.update(_limits(f"{prefix}{inner_id}", inner_name, inner))
        if not nested:
            found.update(_limits(step["id"], name, parameters))
    return found


def _taken_apart(step: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    name = operation_of(step)
    return name, step.get(name) or {}


def _usual(name: str) -> list[dict[str, Any]]:
    """Give the checks that a bare screen runs."""
    check = _check(name, {})
    return [{inner.operation.name(): {}, "id": inner.id} for inner in check.steps] if check else []


def _limits(column: str, name: str, parameters: Mapping[str, Any]) -> dict[str, Threshold]:
    """Give a check's limits; of one that does not ship, what its parameters are called must do."""
    check = _check(name, parameters)
    told = {**parameters, **(check.model_dump() if check else {})}
    if check and name in SIZES:
        return {f"{column}_{one}": Threshold(told["size"][i], SIZES[name]) for i, one in enumerate(check.measures())}
    for parameter, side in LIMITS.items():
        limit = told.get(parameter)
        if isinstance(limit, (int, float)) and not isinstance(limit, bool):
            measures = check.measures() if check else ("",)
            return {f"{column}_{one}" if one else column: Threshold(float(limit), side) for one in measures}
    return {}


def _check(name: str, parameters: Mapping[str, Any]) -> Check | None:
    """Make the shipped check of that name from its own module, or nothing: importing all of them takes 0.3 s."""
    module = f"tasks.clean.{name}"
    if not name.isidentifier() or importlib.util.find_spec(module) is None:
        return None
    kinds = vars(importlib.import_module(module)).values()
    kind = next((k for k in kinds if isinstance(k, type) and issubclass(k, Check) and k.name() == name), None)
    try:
        return kind.model_validate(parameters) if kind is not None else None
    except ValidationError:  # frozen by another imagemill, or it needs more than that
        return None
