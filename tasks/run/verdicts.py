"""Which rows leave at which step: verdicts from measures, decisions from the whole table, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.errors import Rejected
from tasks.operation import Check
from tasks.pipeline.graph import Graph, Node
from tasks.run.job import Stage
from tasks.store.keys import row_id
from tasks.store.schema import measure_columns

Flags = NDArray[np.bool_]


@dataclass
class Fates:
    """What becomes of one leaf's rows: for each step, which rows are still in after it, and why the others left."""

    leaf: pa.Table  # the listing's columns, one row a measured row
    measures: pa.Table
    ids: list[str]
    alive: dict[str, Flags] = field(default_factory=dict)
    lost: dict[int, dict[str, Any]] = field(default_factory=dict)
    noted: list[dict[str, Any]] = field(default_factory=list)  # what failed a check that only notes

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


def judge(stage: Stage, fate: Fates, decided: Mapping[str, pa.Table]) -> None:
    """Take a leaf through the steps in the file's order: checks by its measures, others by what was ``decided``.

    ``decided`` has a step's table (``decide.DECIDED``); a step that it lacks lets all pass.
    """
    fate.alive.clear()
    fate.lost.clear()
    fate.noted.clear()
    for node in stage.graph.nodes.values():
        fate.alive[node.id] = fate.before(node).copy()
        if isinstance(node.operation, Check) and not node.expanded:
            _check(node, node.operation, fate)
        elif node.id in decided:
            _apply(node, decided[node.id], fate)


def matching(node: Node, fate: Fates) -> Flags:
    """Give which rows a step's ``where`` names."""
    matches = np.ones(fate.measures.num_rows, dtype=bool)
    for name, value in node.where.items():
        table = fate.leaf if name in fate.leaf.schema.names else fate.measures
        matches &= np.array([v == value for v in table.column(name).to_pylist()], dtype=bool)
    return matches


def _check(node: Node, check: Check, fate: Fates) -> None:
    columns = measure_columns(node)
    rows = np.flatnonzero(fate.alive[node.id] & matching(node, fate))
    table = fate.measures.select(list(columns.values())).take(pa.array(rows))
    for row, values in zip(rows.tolist(), table.to_pylist(), strict=True):
        if any(value is None for value in values.values()):
            continue  # not measured yet: it is among what is missing
        verdict = check.verdict({name: values[column] for name, column in columns.items()})
        if verdict is not None and check.only_notes:
            fate.noted.append({"id": fate.ids[row], "step": node.id, **_note(verdict)})
        elif verdict is not None:
            fate.leave(node, row, why(verdict))


def _note(verdict: Rejected) -> dict[str, Any]:
    about = why(verdict)
    return {**about, "score": about.pop("measure")}


def why(verdict: Rejected) -> dict[str, Any]:
    """Give a verdict's columns, but for the step."""
    return {
        "reason": verdict.reason,
        "message": verdict.message,
        "measure": verdict.measure,
        "limit": verdict.limit,
        "keeper": None,
    }


def _apply(node: Node, decided: pa.Table, fate: Fates) -> None:
    places = pc.index_in(pa.array(fate.ids, pa.string()), value_set=decided.column("id").combine_chunks())
    named = np.asarray(places.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    rows = np.flatnonzero(named & fate.alive[node.id])
    left = decided.select(["reason", "message", "score", "limit", "uri"]).take(places.take(pa.array(rows)))
    left = left.rename_columns(["reason", "message", "measure", "limit", "keeper"])
    for row, reason in zip(rows.tolist(), left.to_pylist(), strict=True):
        fate.leave(node, row, reason)


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
