"""Against: the rows of another dataset that a deduplicate step takes for keepers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.collection.deduplicate import Deduplicate
from tasks.errors import RequestError
from tasks.pipeline.graph import Graph, Node
from tasks.pipeline.mistakes import SpecError
from tasks.store.dataset import Dataset, open_dataset
from tasks.store.keys import row_id
from tasks.store.local import Store
from tasks.store.schema import has_rows

OF_A_COPY = r"\.[^.]*:\d+.*$"  # what an id says beside the source and its frame


def compared(graph: Graph, store: Store) -> dict[str, dict[str, Any]]:
    """Say for each step that compares with another dataset which version of it: it is part of what decides.

    Raises ``SpecError`` where it is none, the one that is written, or lacks the step's columns.
    """
    found = {}
    for node in _comparing(graph):
        other = _opened(node, store)
        digests = "".join(entry["sha256"] for entry in other.version["measures"])
        about = {"dataset": _path(node), "version": other.version["version"]}
        found[node.id] = {**about, "sha256": hashlib.sha256(digests.encode()).hexdigest()}
    return found


def foreign_rows(graph: Graph, store: Store) -> dict[str, pa.Table]:
    """Give for each such step the rows that the other dataset holds, as the step decides on rows."""
    return {node.id: _rows(node, _opened(node, store)) for node in _comparing(graph)}


def _comparing(graph: Graph) -> list[Node]:
    return [node for node in graph.datasets if isinstance(node.operation, Deduplicate) and node.operation.against]


def _operation(node: Node) -> Deduplicate:
    assert isinstance(node.operation, Deduplicate)
    return node.operation


def _path(node: Node) -> str:
    return str(_operation(node).against)


def _opened(node: Node, store: Store) -> Dataset:
    path = _path(node)
    if Path(path).resolve() == store.root.resolve():
        raise SpecError.at(node.place, f"{node.id}: {path} is the dataset that this pipeline writes: name another one")
    try:
        other = open_dataset(path)
    except RequestError as error:
        raise SpecError.at(node.place, f"{node.id}: against: {error}") from error
    if _operation(node).hashes() and _step(node, other.version) is None:
        raise SpecError.at(
            node.place,
            f"{node.id}: {path} has no step that measures the same ({', '.join(_operation(node).hashes())}): "
            "give its pipeline this deduplicate step, but for `against`, and run it",
        )
    return other


def _step(node: Node, version: Mapping[str, Any]) -> str | None:
    """Find the other dataset's step with this one's columns."""
    for step in version["pipeline"]["steps"]:
        if "deduplicate" in step:
            wanted, there = _operation(node), Deduplicate.model_validate(step["deduplicate"])
            same = [one.canonical()["parameters"] for one in (wanted, there)]
            columns = [set(parameters.pop("columns")) for parameters in same]
            if same[0] == same[1] and columns[0] <= columns[1]:
                return str(step["id"])
    return None


def _rows(node: Node, other: Dataset) -> pa.Table:
    step, hashes = _step(node, other.version), _operation(node).hashes()
    uris = _uris(other)
    all_frames = other.version["pipeline"]["source"].get("frames") == "all"
    parts = []
    for entry in other.version["measures"]:
        own = ("sha256", "bytes", "width", "height")
        names = {**{name: name for name in own}, **{name: f"{step}.{name}" for name in hashes}}
        table = other.store.table(entry, ["key", "frame", "rows", *names.values()])
        table = table.filter(pa.array(has_rows(table)))
        pairs = zip(table.column("key").to_pylist(), table.column("frame").to_pylist(), strict=True)
        ids = pa.array([row_id(key, frame if all_frames else None) for key, frame in pairs], pa.string())
        places = pc.index_in(ids, value_set=uris.column("id").combine_chunks())
        columns: dict[str, Any] = {name: table.column(column) for name, column in names.items()}
        columns |= {name: pa.nulls(len(ids), pa.string()) for name in ("label", "split", "partition")}
        columns["fold"] = pa.nulls(len(ids), pa.int32())
        columns["key"] = table.column("key")
        columns["uri"] = _named(_path(node), uris.column("uri").take(places).fill_null(""), "/")
        columns["id"] = _named(_path(node), ids, ":")
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def _named(path: str, values: Any, between: str) -> Any:
    return pc.binary_join_element_wise(pa.scalar(path), values, between)


def _uris(other: Dataset) -> pa.Table:
    """Give the uri of each row of a source that is in any output."""
    parts = [pa.table({"id": pa.array([], pa.string()), "uri": pa.array([], pa.string())})]
    for output in other.outputs:
        table = other.table(output, columns=["id", "source"]).flatten()
        names = pc.replace_substring_regex(table.column("id"), OF_A_COPY, "")
        parts.append(pa.table({"id": names, "uri": table.column("source.uri")}))
    return pa.concat_tables(parts).group_by("id").aggregate([("uri", "min")]).rename_columns(["id", "uri"])
