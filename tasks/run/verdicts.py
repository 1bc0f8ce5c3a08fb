"""Which rows leave at which step: verdicts from measures, decisions from the whole table, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import Rejected
from tasks.operation import Check, Dataset
from tasks.pipeline.graph import Graph, Node
from tasks.run.job import Stage
from tasks.store.keys import row_id
from tasks.store.schema import DECISIONS, hash_columns, measure_columns

Flags = NDArray[np.bool_]


@dataclass
class Fates:
    """What becomes of one leaf's rows: for each step, which rows are still in after it, and why the others left."""

    leaf: pa.Table  # the listing's columns, one row a measured row
    measures: pa.Table
    ids: list[str]
    alive: dict[str, Flags] = field(default_factory=dict)
    lost: dict[int, dict[str, Any]] = field(default_factory=dict)

    def before(self, node: Node) -> Flags:
        """Give which rows reach a step."""
        return self.union(node.needs)

    def union(self, names: Sequence[str]) -> Flags:
        """Give which rows leave any of several steps; all that could be read, where none is named."""
        if not names:
            return np.asarray(self.measures.column("failure").is_null().to_numpy(), dtype=bool)
        return np.asarray(np.logical_or.reduce([self.alive[name] for name in names]), dtype=bool)

    def leave(self, node: Node, row: int, why: Mapping[str, Any]) -> None:
        """Take a row out at a step; the first step at which it left is what is told."""
        self.alive[node.id][row] = False
        self.lost.setdefault(row, {"step": node.id, **why})

    def rows_in(self, graph: Graph, i: int) -> NDArray[np.int64]:
        """Give how many rows each source has in output i: none where it left on the way."""
        counts = np.array([rows[i] if rows else 0 for rows in self.measures.column("rows").to_pylist()], dtype=np.int64)
        return np.where(self.union(graph.outputs[i].spec.sources), np.maximum(counts, 0), 0)


def fates(leaf: pa.Table, measures: pa.Table, all_frames: bool) -> Fates:
    """Start a leaf: ``leaf`` has one row a source, ``measures`` one a source and frame."""
    order = {key: i for i, key in enumerate(leaf.column("key").to_pylist())}
    keys = measures.column("key").to_pylist()
    frames = measures.column("frame").to_pylist()
    listed = leaf.take(pa.array([order[key] for key in keys], pa.int64()))
    ids = [row_id(k, f if all_frames else None) for k, f in zip(keys, frames, strict=True)]
    return Fates(listed, measures, ids)


def judge(stage: Stage, leaves: Mapping[str, Fates], deciding: Sequence[Node]) -> pa.Table:
    """Take all leaves through the steps in the file's order, and give the decisions of the ``deciding`` ones.

    Without any, the checks alone: what a source's own measures say.
    """
    decisions = [DECISIONS.empty_table()]
    for node in stage.graph.nodes.values():
        for fate in leaves.values():
            fate.alive[node.id] = fate.before(node).copy()
        if isinstance(node.operation, Check) and not node.expanded:
            for fate in leaves.values():
                _check(node, node.operation, fate)
        elif isinstance(node.operation, Dataset) and node in deciding:
            decisions.append(_decide(node, node.operation, leaves))
    return pa.concat_tables(decisions)


def _matching(node: Node, fate: Fates) -> Flags:
    matches = np.ones(fate.measures.num_rows, dtype=bool)
    for name, value in node.where.items():
        table = fate.leaf if name in fate.leaf.schema.names else fate.measures
        matches &= np.array([v == value for v in table.column(name).to_pylist()], dtype=bool)
    return matches


def _check(node: Node, check: Check, fate: Fates) -> None:
    columns = measure_columns(node)
    rows = np.flatnonzero(fate.alive[node.id] & _matching(node, fate))
    table = fate.measures.select(list(columns.values())).take(pa.array(rows))
    for row, values in zip(rows.tolist(), table.to_pylist(), strict=True):
        if any(value is None for value in values.values()):
            continue  # not measured yet: it is among what is missing
        verdict = check.verdict({name: values[column] for name, column in columns.items()})
        if verdict is not None:
            fate.leave(node, row, why(verdict))


def why(verdict: Rejected) -> dict[str, Any]:
    """Give a verdict's columns, but for the step."""
    return {
        "reason": verdict.reason,
        "message": verdict.message,
        "measure": verdict.measure,
        "limit": verdict.limit,
        "keeper": None,
    }


def _decide(node: Node, operation: Dataset, leaves: Mapping[str, Fates]) -> pa.Table:
    table = pa.concat_tables([_input(node, fate) for fate in leaves.values()])
    decided = operation.decide(table.sort_by("id")).sort_by("id")
    rows = {row["id"]: row for row in decided.to_pylist()}
    uris = dict(zip(table.column("id").to_pylist(), table.column("uri").to_pylist(), strict=True))
    for fate in leaves.values():
        for row in np.flatnonzero(fate.alive[node.id]).tolist():
            left = rows.get(fate.ids[row])
            if left is not None:
                reason = {name: left[name] for name in ("reason", "message", "limit")}
                fate.leave(node, row, {**reason, "measure": left["score"], "keeper": uris.get(left["keeper"])})
    return decided.append_column("step", pa.array([node.id] * len(decided), pa.string())).select(DECISIONS.names)


def _input(node: Node, fate: Fates) -> pa.Table:
    rows = pa.array(np.flatnonzero(fate.alive[node.id] & _matching(node, fate)))
    columns: dict[str, Any] = {"id": pa.array(fate.ids, pa.string())}
    columns.update({name: fate.leaf.column(name) for name in ("key", "uri", "label", "split")})
    measured = ["sha256", "bytes", "width", "height", *hash_columns(node)]
    columns.update({name.removeprefix(f"{node.id}."): fate.measures.column(name) for name in measured})
    return pa.table(columns).take(rows)


def rejections(stage: Stage, fate: Fates) -> Iterator[dict[str, Any]]:
    """Give a row for each source that is in no output, with the first step at which it left."""
    kept = np.zeros(fate.measures.num_rows, dtype=bool)
    for i in range(len(stage.graph.outputs)):
        kept |= fate.rows_in(stage.graph, i) > 0
    leaf, measures = fate.leaf, fate.measures
    rows = np.flatnonzero(~kept)
    about = leaf.select(["uri", "label", "split"]).take(pa.array(rows)).to_pylist()
    measured = measures.select(["frame", "sha256", "bytes", "failure"]).take(pa.array(rows)).to_pylist()
    for row, listed, one in zip(rows.tolist(), about, measured, strict=True):
        left = one.pop("failure") or fate.lost.get(row) or UNEXPLAINED
        sha256 = one["sha256"].hex() if one["sha256"] is not None else None
        yield {"id": fate.ids[row], **listed, **one, "sha256": sha256, "keeper": None, **left}


UNEXPLAINED = {
    "step": "outputs",
    "reason": "no_rows",
    "message": "no step made a row of this image",
    "measure": None,
    "limit": None,
}
