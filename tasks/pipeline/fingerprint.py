"""What decides the bytes of an artifact: equal fingerprints, equal rows. Nothing of execution ever enters."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from tasks.load.codecs import ENCODER_VERSION
from tasks.load.codecs import VERSION as DECODER_VERSION
from tasks.operation import Check, Dataset, Operation, canonical_json
from tasks.pipeline.graph import Graph, Node, Output

ENGINE_VERSION: Final = 1  # how steps are run: fusion, resampling, painting, target geometry, row layout


def _hash(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _described(node: Node, seed: int) -> dict[str, Any] | None:
    """Describe a step as far as it decides the pixels, targets and columns of the rows that stay."""
    operation = node.operation
    if isinstance(operation, Dataset):  # what it decides is no row's content, but whom it measures is
        return {"id": node.id, "needs": list(node.needs), "where": dict(node.where)}
    whole = operation.canonical()
    if isinstance(operation, Check) and node.expanded:
        whole = {**whole, "thresholds": _thresholds(operation)}  # they decide which rows there are
    return {
        "id": node.id,
        "needs": list(node.needs),
        "where": dict(node.where),
        "operation": whole,
        **({"seed": seed} if operation.is_random else {}),
    }


def _thresholds(check: Operation) -> dict[str, Any]:
    """Give the values that a check, and those nested in it, decide by."""
    own = check.thresholds if isinstance(check, Check) else frozenset()
    values = check.model_dump(mode="json", include=set(own))
    return {**values, **{step.id: _thresholds(step.operation) for step in check.steps}}


def _loading(graph: Graph) -> dict[str, Any]:
    source = graph.spec.source
    return {"decoder": DECODER_VERSION, "frames": source.frames, "limits": source.limits.model_dump(mode="json")}


def measures_fingerprint(graph: Graph) -> str:
    """Give the fingerprint of the measures: the checks and hashes of sources, and the steps before them."""
    measuring = [*graph.checks, *graph.datasets]
    wanted, waiting = set[str](), [node.id for node in measuring]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(graph.nodes[name].needs)
    steps = [_described(node, graph.spec.seed) for node in graph.nodes.values() if node.id in wanted]
    hashes = {node.id: node.operation.canonical() for node in graph.datasets if _hashes(node)}
    by_split = any("split" in node.where for node in graph.nodes.values() if node.id in wanted)
    split = graph.split.canonical() if graph.split and by_split else None
    said = {"engine": ENGINE_VERSION, **_loading(graph), "steps": [s for s in steps if s]}
    return _hash({**said, "hashes": hashes, "split": split})


def _hashes(node: Node) -> bool:
    return isinstance(node.operation, Dataset) and bool(node.operation.hashes())


def output_fingerprint(graph: Graph, output: Output, schema: pa.Schema, writer_version: int) -> str:
    """Give the fingerprint of one output: its steps, its encoding, its schema with the class list."""
    steps: Sequence[dict[str, Any] | None] = [
        _described(graph.nodes[name], graph.spec.seed) for name in output.ancestors
    ]
    return _hash(
        {
            "engine": ENGINE_VERSION,
            "encoder": ENCODER_VERSION,
            "writer": writer_version,
            **_loading(graph),
            "steps": [step for step in steps if step],
            "from": list(output.spec.sources),
            "encode": output.spec.encode.model_dump(mode="json"),
            "boxes": output.spec.boxes.model_dump(mode="json"),
            **({"masks": output.spec.masks.model_dump(mode="json")} if "mask" in schema.names else {}),
            "form": output.form,
            "split": graph.split.canonical() if graph.split else None,
            "partition": graph.spec.partition,
            "schema": hashlib.sha256(schema.serialize()).hexdigest(),
        }
    )
