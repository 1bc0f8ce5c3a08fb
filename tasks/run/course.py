"""One image's way through the graph: every step once, its rows remembered for the steps that come after."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import Rejected
from tasks.fitted import Derived
from tasks.image.sample import Done, Sample
from tasks.operation import Check, Dataset, Draws, Expander, Feature, perform
from tasks.pipeline.graph import Graph, Node, step_of
from tasks.store.schema import hash_columns, measure_columns

Rows = dict[str, Sample]  # by suffix: "" for the unchanged row, ".augmented:1" for a copy


@dataclass
class Course:
    """Takes one decoded image (``start``) through the graph, a node at a time and each once.

    ``fields`` are the row's fields that ``where`` may name. ``measured`` holds the measures of a source that was
    measured before; its verdicts are known to be good, so nothing is measured again. ``alone``: only the unchanged row
    is wanted, neither copies nor features.
    """

    graph: Graph
    start: Sample
    draws: Draws
    fields: Mapping[str, Any]
    measured: Mapping[str, Any] | None = None
    alone: bool = False
    measures: dict[str, Any] = field(default_factory=dict)
    row_measures: dict[tuple[str, str], float] = field(default_factory=dict)
    failures: dict[str, Rejected] = field(default_factory=dict)
    notes: list[Done] = field(default_factory=list)
    _rows: dict[str, Rows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.measures.update(self.measured or {})

    def rows(self, name: str) -> Rows:
        """Give the rows that leave a step."""
        if name not in self._rows:
            node = self.graph.nodes[name]
            self._rows[name] = self._after(node, self.union(node.needs))
        return self._rows[name]

    def union(self, names: tuple[str, ...]) -> Rows:
        """Join the rows that leave several steps by their ids, their features together."""
        joined: Rows = {}
        for name in names:
            for suffix, sample in self.rows(name).items():
                if suffix in joined:
                    sample = replace(sample, features={**joined[suffix].features, **sample.features})
                joined[suffix] = sample
        return joined if names else {"": self.start}

    def _after(self, node: Node, before: Rows) -> Rows:
        after: Rows = {}
        for suffix, sample in before.items():
            if not self._matches(node):
                after[suffix] = sample
                continue
            try:
                after.update(self._one(node, suffix, sample))
            except Rejected as rejected:
                self._lost(node, suffix, rejected)
            except Exception as error:
                error.add_note(f"step {node.id}")
                raise
        return after

    def _matches(self, node: Node) -> bool:
        return all({**self.fields, **self.measures}.get(name) == value for name, value in node.where.items())

    def _one(self, node: Node, suffix: str, sample: Sample) -> Rows:
        operation = node.operation
        if sample.dtype not in operation.takes:
            raise Rejected(
                "unsupported_dtype",
                f"{operation.name()} takes {', '.join(operation.takes)}, this image is {sample.dtype}: "
                "add a convert_dtype step before it",
            )
        if self.alone and isinstance(operation, (Dataset, Feature, Derived, Expander)):
            gone = isinstance(operation, Expander) and not operation.keeps_original()
            return {} if gone else {suffix: sample}
        if isinstance(operation, Check):
            self._check(node, operation, suffix, sample)
            return {suffix: sample}
        if isinstance(operation, Dataset):
            if self.measured is None and hash_columns(node):
                values = operation.examine(sample)
                self.measures.update({f"{node.id}.{name}": value for name, value in values.items()})
            return {suffix: sample}
        if isinstance(operation, Feature):
            return {suffix: sample.featured(node.id, _finite(node.id, operation.extract(sample.picture())))}
        if isinstance(operation, Derived):
            vector = operation.derive(sample.features)
            return {suffix: sample if vector is None else sample.featured(node.id, _finite(node.id, vector))}
        if isinstance(operation, Expander):
            return {made.suffix: made for made in operation.expand(sample, node.id, self.draws)}
        return {suffix: perform(step_of(node), sample, node.id, self.draws)}

    def _check(self, node: Node, check: Check, suffix: str, sample: Sample) -> None:
        if not node.expanded and self.measured is not None:
            return
        values = check.examine(sample)
        columns = measure_columns(node)
        for name, value in values.items():
            self.row_measures[suffix, columns[name]] = value
            if not node.expanded:
                self.measures[columns[name]] = value
        verdict = check.verdict(values)
        if verdict is not None and not check.only_notes:
            raise verdict

    def accumulate(self, node: Node) -> None:
        """Measure what a step is fitted on: the unchanged row as the step takes it, where it does."""
        assert node.fit is not None
        sample = self.union(node.needs).get("")
        if sample is None or sample.dtype not in node.fit.takes or not self._matches(node):
            return
        with suppress(Rejected):  # the step itself will say so
            values = node.fit.accumulate(sample)
            self.measures.update({f"{node.id}.{name}": value for name, value in values.items()})

    def _lost(self, node: Node, suffix: str, rejected: Rejected) -> None:
        rejected.step = node.id
        if suffix:
            about = {"row": suffix, "reason": rejected.reason, "message": rejected.message}
            self.notes.append(Done(node.id, "rejected", about))
        self.failures.setdefault(node.id, rejected)

    def first_failure(self) -> Rejected | None:
        """Give the verdict of the first step, in the file's order, at which a row was lost."""
        return next((self.failures[name] for name in self.graph.nodes if name in self.failures), None)


def _finite(step: str, vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give a step's vector back; ``Rejected`` (``not_finite``) where it has a NaN: one spoils means over all images."""
    finite = np.isfinite(vector)
    if not finite.all():
        missing = finite.size - np.count_nonzero(finite)
        raise Rejected("not_finite", f"{missing} of the {finite.size} numbers that {step} makes are NaN or infinite")
    return vector
