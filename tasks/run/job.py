"""What a worker must know to do its part: plain values that travel, and what is built from them once a process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import pyarrow as pa

from tasks.image.targets import Kinds
from tasks.load.source import Source, SourceSpec, open_source
from tasks.pipeline.fingerprint import measures_fingerprint, output_fingerprint
from tasks.pipeline.graph import Graph, build
from tasks.pipeline.spec import thaw
from tasks.store import writer
from tasks.store.schema import Contents, fit_columns, measures_schema, schemas


@dataclass(frozen=True)
class Job:
    """One run's fixed values: the frozen pipeline as JSON, where it lay, the resolved source, what the listing fixed.

    ``dataset`` is the root of the dataset that is written. Secrets are in ``variables`` and ``source`` alone, which are
    never stored. ``fits`` are the values of fitted steps, as JSON by step: steps without any cannot run yet.
    """

    frozen: str
    folder: str
    variables: tuple[tuple[str, str], ...]
    source: SourceSpec
    contents: Contents
    dataset: str
    fits: tuple[tuple[str, str], ...] = ()

    @property
    def stage(self) -> Stage:
        """What the values mean, built once a process."""
        contents = self.contents
        return _stage(
            self.frozen,
            self.folder,
            self.variables,
            contents.classes,
            contents.categories,
            contents.boxes,
            _Schema(contents.columns),
            contents.kinds,
            self.fits,
        )

    @property
    def reader(self) -> Source:
        """The source, opened once a process."""
        return _reader(self.source.model_dump_json(exclude_unset=True))  # what is not set has other meanings


@dataclass(frozen=True)
class Stage:
    """The graph with the schemas and fingerprints of its artifacts."""

    graph: Graph
    contents: Contents
    measures: pa.Schema
    schemas: dict[str, pa.Schema]
    fingerprints: dict[str, str]

    @cached_property
    def every(self) -> int:
        """The mask that asks for all artifacts that can be made: the measures (bit 0) and output i (bit i + 1)."""
        ready = [self.graph.is_ready(output) for output in self.graph.outputs]
        return 1 | sum(bit << (i + 1) for i, bit in enumerate(ready))

    @cached_property
    def mixing(self) -> int:
        """The mask of the outputs that mix images."""
        return sum(1 << i + 1 for i, mixes in enumerate(self.graph.mixing) if mixes)

    @property
    def measured(self) -> list[str]:
        """The names of the columns that measuring fills, but for what steps are fitted on: that stays in the tables."""
        first = self.measures.get_field_index("failure") + 1
        fitting = {name for node in self.graph.fits for name in fit_columns(node)}
        return [name for name in self.measures.names[first:] if name not in fitting]


class _Schema:
    """A schema as a hashable value."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return hash(tuple(self.schema.names))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Schema) and bool(self.schema.equals(other.schema))


@lru_cache(maxsize=8)
def _stage(
    frozen: str,
    folder: str,
    variables: tuple[tuple[str, str], ...],
    classes: tuple[str, ...],
    categories: tuple[str, ...],
    boxes: bool,
    columns: _Schema,
    kinds: Kinds,
    fits: tuple[tuple[str, str], ...],
) -> Stage:
    graph = build(thaw(json.loads(frozen), Path(folder), environment=dict(variables)))
    graph = graph.with_fits({name: json.loads(values) for name, values in fits})
    return staged(graph, Contents(classes, categories, boxes, columns.schema, kinds))


def staged(graph: Graph, contents: Contents) -> Stage:
    """Give the graph's schemas and fingerprints, now that the listing has fixed the rest."""
    outputs = dict(schemas(graph, contents))
    fingerprints = {"measures": measures_fingerprint(graph)}
    for output in graph.outputs:
        fingerprints[output.name] = output_fingerprint(graph, output, outputs[output.name], writer.VERSION)
    return Stage(graph, contents, measures_schema(graph), outputs, fingerprints)


@lru_cache(maxsize=8)
def _reader(spec: str) -> Source:
    return open_source(SourceSpec.model_validate_json(spec))
