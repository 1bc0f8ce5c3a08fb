"""Croissant 1.1: the dataset described for machines, as JSON-LD that ``mlcroissant`` reads.

Every file stands with its SHA-256 and size; every output is a record set over the files that it names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
PARQUET = "application/x-parquet"

CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in (
            *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject"),
            *("fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
            *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
            *("separator", "source", "subField", "transform"),
        )
    },
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
}

KINDS = (
    (pa.types.is_boolean, "sc:Boolean"),
    (pa.types.is_float64, "cr:Float64"),
    (pa.types.is_float32, "cr:Float32"),
    (pa.types.is_float16, "cr:Float16"),
    (pa.types.is_date, "sc:Date"),
    (pa.types.is_timestamp, "sc:DateTime"),
    (pa.types.is_time, "sc:Time"),
)


class About(NamedTuple):
    """What only the owner of the images knows, and Croissant asks for: placeholders until somebody says it.

    ``.invalid`` is reserved (RFC 2606): such an address never leads anywhere.
    """

    license: str = "unknown: that of the source images"
    creator: str = "unknown"
    url: str = "https://unknown.invalid/"


UNKNOWN = About()


def croissant(version: Mapping[str, Any], schemas: Mapping[str, pa.Schema], about: About = UNKNOWN) -> dict[str, Any]:
    """Give croissant.json for a version; ``schemas`` are those of its outputs, by name."""
    files = [file for name in version["outputs"] for file in version["files"] if file["output"] == name]
    classes = [("classes", version["classes"]), ("categories", version["categories"])]
    return {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": version["name"],
        "description": version["pipeline"].get("description") or f"Made by imagemill's pipeline {version['name']}.",
        "license": about.license,
        "url": about.url,
        "creator": {"@type": "sc:Organization", "name": about.creator},
        "datePublished": version["created"][:10],
        "version": f"{version['version']}.0.0",
        "distribution": [
            *(_file_object(file) for file in files),
            *(_file_set(name, files) for name in version["outputs"]),
        ],
        "recordSet": [
            *(_names(set_id, names) for set_id, names in classes if names),
            *(_record_set(name, schemas[name]) for name in version["outputs"]),
        ],
    }


def _file_object(file: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file["path"],
        "name": file["path"],
        "contentUrl": file["path"],
        "contentSize": f"{file['bytes']} B",
        "encodingFormat": PARQUET,
        "sha256": file["sha256"],
    }


def _file_set(name: str, files: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{name}-files",
        "name": f"{name}-files",
        "description": f"The files of the output {name}, each named.",
        "encodingFormat": PARQUET,
        "includes": [file["path"] for file in files if file["output"] == name],
    }


def _names(set_id: str, names: Iterable[str]) -> dict[str, Any]:
    """Say what the numbers of a class column mean."""
    fields = [
        {"@type": "cr:Field", "@id": f"{set_id}/{name}", "name": name, "dataType": kind}
        for name, kind in (("number", "sc:Integer"), ("name", "sc:Text"))
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": set_id,
        "name": set_id,
        "description": "The number of each class and its name.",
        "dataType": "sc:Enumeration",
        "key": {"@id": f"{set_id}/number"},
        "field": fields,
        "data": [{f"{set_id}/number": i, f"{set_id}/name": name} for i, name in enumerate(names)],
    }


def _record_set(name: str, schema: pa.Schema) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"The rows of the output {name}, one an image or copy.",
        "key": {"@id": f"{name}/id"},
        "field": [_field(f"{name}/{_id(i, field.name)}", field, f"{name}-files") for i, field in enumerate(schema)],
    }


def _id(i: int, name: str) -> str:
    """Give a column's part of an identifier: ``mlcroissant`` refuses white space, JSON-LD much else."""
    return name if re.fullmatch(r"[\w.-]+", name, re.ASCII) else f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)}-{i}"


def _field(field_id: str, field: pa.Field, files: str) -> dict[str, Any]:
    source: dict[str, Any] = {"fileSet": {"@id": files}, "extract": {"column": field.name}}
    made: dict[str, Any] = {"@type": "cr:Field", "@id": field_id, "name": field.name}
    kind = field.type
    if field.name == "label":
        made["description"] = "A number of the record set classes."
    if field.name in ("image", "mask") and pa.types.is_struct(kind):
        return {**made, "dataType": "sc:ImageObject", "source": {**source, "transform": {"jsonPath": "bytes"}}}
    if pa.types.is_struct(kind):
        return {**made, "subField": [_inner(field_id, i, inner, source) for i, inner in enumerate(kind)]}
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        inner_fields = [_inner(field_id, i, inner, source) for i, inner in enumerate(kind.value_type)]
        return {**made, "isArray": True, "arrayShape": "-1", "subField": inner_fields}
    return {**made, **_typed(field), "source": source}


def _inner(field_id: str, i: int, field: pa.Field, source: Mapping[str, Any]) -> dict[str, Any]:
    made = {"@type": "cr:Field", "@id": f"{field_id}/{_id(i, field.name)}", "name": field.name}
    return {**made, **_typed(field), "source": {**source, "transform": {"jsonPath": field.name}}}


def _typed(field: pa.Field) -> dict[str, Any]:
    """Give a field's type, and its shape where it is a list; tensors keep theirs in the field's metadata."""
    kind, shape = field.type, list[int]()
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size if pa.types.is_fixed_size_list(kind) else -1)
        kind = kind.value_type
    if not shape:
        return {"dataType": _data_type(kind)}
    told = (field.metadata or {}).get(b"shape")
    shape = json.loads(told) if told else shape
    return {"dataType": _data_type(kind), "isArray": True, "arrayShape": ",".join(map(str, shape))}


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return f"cr:{str(kind).replace('uint', 'UInt').replace('int', 'Int')}"
    return next((name for fits, name in KINDS if fits(kind)), "sc:Text")
