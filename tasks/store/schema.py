"""What a row looks like: one Arrow schema an output, with the types that Hugging Face datasets decodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import RequestError
from tasks.image.targets import BOXES, Kinds
from tasks.operation import Check
from tasks.pipeline.graph import Graph, Node, Output
from tasks.store.keys import KEY

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
OBJECTS = pa.list_(pa.struct([("bbox", pa.list_(pa.float32(), 4)), ("category", pa.int64())]))
RBOX = pa.list_(pa.float32(), 5)
LABELS = pa.list_(pa.struct([("label", pa.int64()), ("weight", pa.float32())]))
SOURCE = pa.struct([("uri", pa.string()), ("sha256", pa.string()), ("bytes", pa.int64()), ("frame", pa.int32())])
LINEAGE = pa.list_(pa.struct([("step", pa.string()), ("operation", pa.string()), ("params", pa.string())]))
FAILURE = pa.struct(
    [
        ("step", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("measure", pa.float64()),
        ("limit", pa.float64()),
    ]
)
REJECTED = pa.schema(
    [
        ("id", pa.string()),
        ("uri", pa.string()),
        ("frame", pa.int32()),
        ("step", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("measure", pa.float64()),
        ("limit", pa.float64()),
        ("keeper", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),
        ("sha256", pa.string()),
        ("bytes", pa.int64()),
    ]
)
FLAGS = "flags"  # among a version's decisions: the table of rows that a step noted, and that stay
DECISIONS = pa.schema(
    [
        ("id", pa.string()),
        ("step", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("keeper", pa.string()),
        ("score", pa.float64()),
        ("limit", pa.float64()),
    ]
)
OWN = (
    *("id", "image", "pixels", "label", "labels", "objects", "mask", "keypoints", "width", "height"),
    *("split", "copy", "source", "lineage"),
)


NO_COLUMNS = pa.schema([])


@dataclass(frozen=True)
class Contents:
    """What the listing fixes before any row.

    The sorted class list, the categories that boxes have in any output, whether there are boxes, the manifest's
    columns, and what targets there are beside boxes.
    """

    classes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    boxes: bool = False
    columns: pa.Schema = NO_COLUMNS
    kinds: Kinds = BOXES


def measure_columns(node: Node) -> dict[str, str]:
    """Give a check's measures and their columns: the step's id, with the measure's name where it has one."""
    operation = node.operation
    if not isinstance(operation, Check):
        return {}
    bare = getattr(operation, "nested_checks", False) and node.id == operation.name()
    return {name: node.id if not name else name if bare else f"{node.id}_{name}" for name in operation.measures()}


def output_schema(graph: Graph, output: Output, contents: Contents) -> pa.Schema:
    """Give the schema of an output's shards. Scalars come before nested columns, the image last.

    Raises ``RequestError`` where two columns would have one name.
    """
    fields = [pa.field("id", pa.string(), nullable=False), pa.field("split", pa.string()), pa.field("copy", pa.int32())]
    if graph.split is not None and graph.split.folds is not None:
        fields.append(pa.field("fold", pa.int32()))
    if contents.classes:
        fields.append(pa.field("label", pa.int64()))
    if output.form != "none":
        fields += [pa.field("width", pa.int32()), pa.field("height", pa.int32())]
    fields += list(contents.columns)
    fields += [pa.field("metadata", pa.string())] if graph.spec.source.metadata else []
    for name in output.ancestors:
        fields += [pa.field(column, pa.float64()) for column in measure_columns(graph.nodes[name]).values()]
    fields.append(pa.field("source", SOURCE))
    for name, components in output.features.items():
        about = {"components": json.dumps(components)}
        fields.append(pa.field(name, pa.list_(pa.float32(), len(components)), metadata=about))
    mixes = graph.mixes(output)
    if mixes and contents.classes:
        fields.append(pa.field("labels", LABELS))
    if output.form != "none":
        fields += [pa.field("objects", objects_type(contents.kinds))] if contents.boxes else []
    if output.form != "none" or mixes:  # what images were mixed, features must say too
        fields.append(pa.field("lineage", LINEAGE))
    if output.form != "none":
        fields += [pa.field("mask", IMAGE)] if contents.kinds.masks else []
    if output.form == "image":
        fields.append(pa.field("image", IMAGE))
    elif output.form == "tensor":
        assert output.node.size is not None, "the graph lets no tensor pass without a size"
        assert output.node.channels is not None, "the graph lets no tensor pass without channels"
        shape = [output.node.size.height, output.node.size.width, output.node.channels]
        values = shape[0] * shape[1] * shape[2]
        fields.append(pa.field("pixels", pa.list_(pa.float32(), values), metadata={"shape": json.dumps(shape)}))
    names = [field.name for field in fields]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestError(
            f"output {output.name}: two columns would be named {', '.join(twice)}; give the step another id, "
            "or rename the manifest's column"
        )
    schema = pa.schema(fields)
    info = {"info": {"features": {f.name: feature(f, contents) for f in schema}}}
    return schema.with_metadata({"huggingface": json.dumps(info)})


def objects_type(kinds: Kinds) -> pa.DataType:
    """Give the type of a row's objects: what COCO says of each, in COCO's coordinates, and a rotated box.

    ``segmentation`` holds what is visible of its polygons as flat lists, ``area`` their area in pixels; ``rbox`` is
    [center x, center y, width, height, degrees], counter-clockwise as displayed; ``keypoints`` are [x, y, v], in pixel
    indices, 0 0 0 where not in view, their names and the pairs that a mirror exchanges in the field's metadata.
    """
    fields = list(OBJECTS.value_type)
    if kinds.polygons:
        fields += [pa.field("segmentation", pa.list_(pa.list_(pa.float32()))), pa.field("area", pa.float32())]
    if kinds.rotated:
        fields.append(pa.field("rbox", RBOX))
    if kinds.key_points:
        about = {"names": json.dumps(kinds.key_points), "pairs": json.dumps(kinds.pairs)}
        points = pa.list_(pa.list_(pa.float32(), 3), len(kinds.key_points))
        fields.append(pa.field("keypoints", points, metadata=about))
    return pa.list_(pa.struct(fields))


def feature(field: pa.Field, contents: Contents) -> dict[str, Any]:
    """Describe a field as Hugging Face ``datasets`` does."""
    if field.name == "image" or (field.name == "mask" and field.type == IMAGE):
        return {"_type": "Image"}
    if field.name == "label":
        return {"names": list(contents.classes), "_type": "ClassLabel"}
    if field.name == "category" and contents.categories:
        return {"names": list(contents.categories), "_type": "ClassLabel"}
    return typed(field.type, contents)


def typed(kind: pa.DataType, contents: Contents) -> dict[str, Any]:
    """Describe a type as Hugging Face ``datasets`` does; a dictionary is what it holds."""
    if pa.types.is_dictionary(kind):
        return typed(kind.value_type, contents)
    if pa.types.is_struct(kind):
        return {inner.name: feature(inner, contents) for inner in kind}
    if pa.types.is_fixed_size_list(kind):
        return {"_type": "List", "length": kind.list_size, "feature": typed(kind.value_type, contents)}
    if pa.types.is_list(kind):
        return {"_type": "List", "feature": typed(kind.value_type, contents)}
    if pa.types.is_large_list(kind):
        return {"_type": "LargeList", "feature": typed(kind.value_type, contents)}
    names = {
        "double": "float64",
        "float": "float32",
        "halffloat": "float16",
        "date32[day]": "date32",
        "date64[ms]": "date64",
    }
    return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}


def measures_schema(graph: Graph) -> pa.Schema:
    """Give the schema of the measures: one row a source and frame, sorted by key and frame.

    ``rows`` counts the rows in each output (in ``Graph.outputs``' order); ``failure`` is a verdict that no threshold
    decides: the load's, or that of the step in which every row failed. Where images are mixed, ``tried`` says which of
    the next ones in the listing were looked at, and ``partners`` is the digest of what they were (``run.partners``).
    """
    fields = [
        pa.field("key", KEY, nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("frames", pa.int32()),
        pa.field("size", pa.int64()),
        pa.field("etag", pa.string()),
        pa.field("sha256", KEY),
        pa.field("bytes", pa.int64()),
        pa.field("digest", KEY),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("rows", pa.list_(pa.int32())),
        pa.field("failure", FAILURE),
    ]
    if any(graph.mixing):
        fields[-1:-1] = [pa.field("tried", pa.int32()), pa.field("partners", KEY)]
    for node in graph.checks:
        fields += [pa.field(column, pa.float64()) for column in measure_columns(node).values()]
    for node in graph.datasets:
        fields += [pa.field(name, kind) for name, kind in hash_columns(node).items()]
    for node in graph.fits:
        fields += [pa.field(name, kind) for name, kind in fit_columns(node).items()]
    return pa.schema(fields)


def has_rows(measures: pa.Table | pa.RecordBatch) -> NDArray[np.bool_]:
    """Say of each measured source whether it has rows in any output."""
    found = [any(count > 0 for count in counts or ()) for counts in measures.column("rows").to_pylist()]
    return np.array(found, dtype=bool)


def hash_columns(node: Node) -> dict[str, pa.DataType]:
    """Give a dataset step's columns in the measures, named after the step."""
    return {f"{node.id}.{name}": kind for name, kind in node.operation.hashes().items()}  # type: ignore[attr-defined]


def fit_columns(node: Node) -> dict[str, pa.DataType]:
    """Give the columns in the measures that a step is fitted on, named after it."""
    return {f"{node.id}.{name}": kind for name, kind in node.fit.accumulators().items()} if node.fit else {}


def schemas(graph: Graph, contents: Contents) -> Mapping[str, pa.Schema]:
    """Give the schema of every output by name."""
    return {output.name: output_schema(graph, output, contents) for output in graph.outputs}


def class_list(labels: Sequence[str]) -> tuple[str, ...]:
    """Give the class list: sorted, so that a label's number depends on the names alone."""
    return tuple(sorted(set(labels)))
