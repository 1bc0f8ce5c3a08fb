"""Decide: every dataset step on the rows that reach it, and what becomes of each leaf, judged when it is asked for.

At most ``HELD`` leaves are in memory. Over all leaves at once stand only the columns by which a step groups its rows,
then the rows that are in a group, then the decisions: a row that is plainly kept costs its hash and a few numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.operation import DECISION, Check, Dataset
from tasks.pipeline.graph import Node
from tasks.run.job import Stage
from tasks.run.verdicts import Fates, judge, matching
from tasks.store.schema import DECISIONS, hash_columns

HELD = 4
DECIDED = DECISION.append(pa.field("uri", pa.string()))  # what leaves at a step; ``uri`` is the keeper's


class Verdicts(Mapping[str, Fates]):
    """What becomes of the rows of each leaf, by its prefix.

    ``load`` gives a leaf with its measures; ``foreign`` another dataset's rows that a step decides against, by step.
    """

    def __init__(
        self, stage: Stage, leaves: Sequence[str], load: Callable[[str], Fates], foreign: Mapping[str, pa.Table]
    ) -> None:
        self.stage = stage
        self.leaves = leaves
        self.load = load
        self.foreign = foreign
        self.left: dict[str, pa.Table] = {}
        self.flagged: dict[str, pa.Table] = {}
        self._held: dict[str, tuple[int, Fates]] = {}  # with how many steps had decided when it was judged

    def __len__(self) -> int:
        """Give how many leaves there are."""
        return len(self.leaves)

    def __iter__(self) -> Iterator[str]:
        """Go through the leaves' prefixes, in key order."""
        return iter(self.leaves)

    def __getitem__(self, prefix: str) -> Fates:
        """Give a leaf's rows, judged by all that is decided so far."""
        if prefix not in self._held:
            while len(self._held) >= HELD:
                self._held.pop(next(iter(self._held)))
            self._held[prefix] = (-1, self.load(prefix))
        steps, fate = self._held[prefix]
        if steps != len(self.left):
            judge(self.stage, fate, self.left)
            self._held[prefix] = (len(self.left), fate)
        return fate

    def decide(self) -> None:
        """Let the dataset steps decide, one after the other."""
        for node in self.stage.graph.datasets:
            assert isinstance(node.operation, Dataset)
            table = self._table(node, node.operation)
            decided = node.operation.decide(table).sort_by("id")
            decided = decided.append_column("uri", _uris(table, decided.column("keeper")))
            flags = pc.is_in(decided.column("reason"), pa.array(sorted(node.operation.flags), pa.string()))
            self.left[node.id] = decided.filter(pc.invert(flags)).cast(DECIDED)
            self.flagged[node.id] = decided.filter(flags).cast(DECIDED)
            del table, decided
            pa.default_memory_pool().release_unused()  # of ten million rows it keeps hundreds of megabytes

    def _table(self, node: Node, operation: Dataset) -> pa.Table:
        """Give what a step decides on: of one that groups, the rows in a group; sorted by id."""
        groups = self._groups(node, operation) if operation.grouped_by else None
        parts, start = [], 0
        split = self.stage.graph.split
        folds = split is not None and split.folds is not None  # else `fold` may be a column of the source's own
        columns = [name for name in operation.columns if name != "fold" or folds]
        for whole in self._inputs(node, ("id", *columns, *operation.hashes())):
            if groups is not None:
                mine = groups[start : start + whole.num_rows]
                start += whole.num_rows
                whole = whole.append_column("group", pa.array(mine)).filter(pa.array(mine >= 0))
            parts.append(whole)
        table = pa.concat_tables(parts, promote_options="default")
        ids = table.column("id")
        ordered = table.num_rows < 2 or pc.all(pc.less(ids.slice(0, len(ids) - 1), ids.slice(1))).as_py()
        return table if ordered else table.sort_by("id")  # sorting copies, and keys are in order but for frames

    def _groups(self, node: Node, operation: Dataset) -> NDArray[np.int64]:
        return operation.groups(pa.concat_tables(self._inputs(node, operation.grouped_by)))

    def _inputs(self, node: Node, names: Sequence[str]) -> Iterator[pa.Table]:
        """Give columns of a step's rows leaf by leaf, then another dataset's."""
        other = self.foreign.get(node.id)
        for prefix in self.leaves:
            table = _input(node, self[prefix], names)
            yield table if other is None else table.append_column("foreign", _all(False, table))
        if other is not None:
            yield other.select(names).append_column("foreign", _all(True, other))

    @property
    def decisions(self) -> pa.Table:
        """What leaves at which step, sorted by id."""
        return _told(self.left)

    @property
    def flags(self) -> pa.Table:
        """What is noted at which step, and stays, sorted by id."""
        tables = [_told(self.flagged)]
        if any(isinstance(node.operation, Check) and node.operation.only_notes for node in self.stage.graph.checks):
            tables += [pa.Table.from_pylist(self[prefix].noted, DECISIONS) for prefix in self.leaves]
        return _sorted(tables)


def _uris(table: pa.Table, ids: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if "uri" not in table.schema.names:
        return pa.nulls(len(ids), pa.string())
    return table.column("uri").take(pc.index_in(ids, value_set=table.column("id").combine_chunks()))


def _all(value: bool, table: pa.Table) -> pa.Array:
    return pa.repeat(pa.scalar(value), table.num_rows)


def _told(steps: Mapping[str, pa.Table]) -> pa.Table:
    tables = [DECISIONS.empty_table()]
    for step, table in steps.items():
        names = pa.repeat(pa.scalar(step), table.num_rows)
        tables.append(table.append_column("step", names).select(DECISIONS.names))
    return _sorted(tables)


def _sorted(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).sort_by([("id", "ascending"), ("step", "ascending")])


def _input(node: Node, fate: Fates, names: Sequence[str]) -> pa.Table:
    rows = pa.array(np.flatnonzero(fate.alive[node.id] & matching(node, fate)))
    measured = {name.removeprefix(f"{node.id}."): name for name in hash_columns(node)}
    measured |= {name: name for name in ("sha256", "bytes", "width", "height")}
    columns: dict[str, Any] = {}
    for name in names:
        if name == "id":
            columns[name] = pa.array(fate.ids, pa.string()).take(rows)
        else:
            measure = measured.get(name)
            column = fate.leaf.column(name) if measure is None else fate.measures.column(measure)
            columns[name] = column.take(rows)
    return pa.table(columns)
