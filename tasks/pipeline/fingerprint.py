"""What decides the bytes of an artifact: equal fingerprints, equal rows. Nothing of execution ever enters."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from tasks.load.codecs import ENCODER_VERSION
from tasks.load.codecs import VERSION as DECODER_VERSION
from tasks.operation import Check, Dataset, Operation, canonical_json
from tasks.pipeline.graph import Graph, Node, Output, ancestors

ENGINE_VERSION: Final = 2  # how steps are run: fusion, resampling, painting, target geometry, row layout


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


def _passing(graph: Graph, output: Output) -> dict[str, Any]:
    """Give what decides whether an image may be mixed with another: the thresholds of the checks on the way."""
    nodes = (graph.nodes[name] for name in output.ancestors)
    return {node.id: _thresholds(node.operation) for node in nodes if isinstance(node.operation, Check)}


def _thresholds(check: Operation) -> dict[str, Any]:
    """Give the values that a check, and those nested in it, decide by."""
    own = check.thresholds if isinstance(check, Check) else frozenset()
    values = check.model_dump(mode="json", include=set(own))
    return {**values, **{step.id: _thresholds(step.operation) for step in check.steps}}


def _loading(graph: Graph) -> dict[str, Any]:
    source = graph.spec.source
    kept = {"metadata": list(source.metadata)} if source.metadata else {}
    limits = source.limits.model_dump(mode="json")
    return {"decoder": DECODER_VERSION, "frames": source.frames, "limits": limits, **kept}


def measures_fingerprint(graph: Graph) -> str:
    """Give the fingerprint of the measures: the checks and hashes of sources, and the steps before them."""
    measuring = [node.id for node in (*graph.checks, *graph.datasets)]
    before_fits = [need for node in graph.fits for need in node.needs]
    wanted = set(ancestors((*measuring, *before_fits), graph.nodes))
    steps = [_described(node, graph.spec.seed) for node in graph.nodes.values() if node.id in wanted]
    hashes = {node.id: node.operation.canonical() for node in graph.datasets if node.hashes}
    fits = {node.id: _unfitted(node) for node in graph.fits}
    by_split = any("split" in node.where for node in graph.nodes.values() if node.id in wanted | fits.keys())
    split = graph.split.canonical() if graph.split and by_split else None
    said = {"engine": ENGINE_VERSION, **_loading(graph), "steps": [s for s in steps if s]}
    return _hash({**said, "hashes": hashes, "split": split, **({"fits": fits} if fits else {})})


def _unfitted(node: Node) -> dict[str, Any]:
    """Describe what a step to be fitted measures: all but the values."""
    assert node.fit is not None
    return {"needs": list(node.needs), "where": dict(node.where), "operation": node.fit.canonical()}


def fit_fingerprint(graph: Graph, node: Node) -> str:
    """Give what decides a fit but for the images: the step, those before it with all they decide by, and the split."""
    before = [graph.nodes[name] for name in ancestors(node.needs, graph.nodes)]
    seed = graph.spec.seed if any(one.operation.is_random for one in before) else None
    said = {"engine": ENGINE_VERSION, **_loading(graph), "seed": seed, "fit": _unfitted(node)}
    split = graph.split.canonical() if graph.split else None
    return _hash({**said, "steps": [_whole(one) for one in before], "split": split})


def _whole(node: Node) -> dict[str, Any]:
    """Describe a step with all that it decides by, also what decides no row's content."""
    operation = node.operation
    about = {"id": node.id, "needs": list(node.needs), "where": dict(node.where)}
    return {**about, "operation": operation.canonical(), "thresholds": _thresholds(operation)}


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
            **({"partners": _passing(graph, output)} if graph.mixes(output) else {}),
            "form": output.form,
            "split": graph.split.canonical() if graph.split else None,
            "partition": graph.spec.partition,
            "schema": hashlib.sha256(schema.serialize()).hexdigest(),
        }
    )
