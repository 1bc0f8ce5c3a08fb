"""JSON Schema (draft 2020-12) of the pipeline file, from the operations themselves: editors complete from it."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

from tasks.load.source import SourceSpec
from tasks.operation import Operation
from tasks.operation import registry as known_operations
from tasks.pipeline.models import ClusterSpec, OutputSpec, ScheduleSpec, WatchSpec
from tasks.pipeline.nesting import Registry, checks, checks_field, step_fields

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ID = "^[a-z][a-z0-9_]*$"
PIPELINE = "^[a-z][a-z0-9_-]*$"
TRANSFORM = {"$ref": "#/$defs/transform"}
VARIABLE = {"type": "string", "pattern": r"\$\{"}

Schema = dict[str, Any]


def schema(registry: Registry | None = None) -> Schema:
    """Give the schema of a whole pipeline file, with every registered operation's parameters and documentation."""
    operations = known_operations() if registry is None else registry
    definitions: Schema = {f"operation.{name}": _operation(kind, operations) for name, kind in operations.items()}
    definitions["step"] = _item(operations, {"id": _id(), "needs": _names(), "where": _where()})
    definitions["transform"] = _item(operations, {"id": _id()})
    pipeline = _pipeline()
    definitions["pipeline"] = pipeline
    inherited = ("seed", "output", "partition", "cluster", "schedule", "watch")
    return {
        "$schema": DRAFT,
        "title": "imagemill pipelines",
        "type": "object",
        "properties": {
            "version": {"const": 1, "description": "the version of the file's grammar"},
            "defaults": {
                **_closed({key: pipeline["properties"][key] for key in inherited}),
                "description": "what every pipeline has that does not say otherwise",
            },
            "pipelines": {
                "type": "object",
                "propertyNames": {"pattern": PIPELINE},
                "minProperties": 1,
                "additionalProperties": {"$ref": "#/$defs/pipeline"},
            },
        },
        "required": ["version", "pipelines"],
        "additionalProperties": False,
        "$defs": definitions,
    }


@cache
def flat(model: type[BaseModel]) -> Schema:
    """Give a model's schema without references (nested steps excepted) and without generated titles."""
    try:
        whole = model.model_json_schema()
    except (PydanticInvalidForJsonSchema, PydanticUserError):
        return {"type": "object"}
    made: Schema = _flat(whole, whole.pop("$defs", {}), 0)
    return made


def _flat(value: Any, definitions: Schema, depth: int) -> Any:
    if isinstance(value, list):
        return [_flat(item, definitions, depth) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        beside = {key: item for key, item in value.items() if key != "$ref"}
        inner = TRANSFORM if name == "Step" else definitions.get(name, {}) if depth < 8 else {}
        return {**(TRANSFORM if name == "Step" else _flat(inner, definitions, depth + 1)), **beside}
    made: Schema = {}
    for key, item in value.items():
        if key == "properties":
            made[key] = {name: _flat(field, definitions, depth) for name, field in item.items()}
        elif key == "prefixItems":
            names = [{"title": field["title"]} if "title" in field else {} for field in item]
            made[key] = [{**_flat(field, definitions, depth), **name} for field, name in zip(item, names, strict=True)]
        elif key in ("default", "const", "enum", "examples"):
            made[key] = item
        elif key != "title":
            made[key] = _flat(item, definitions, depth)
    return made


def _operation(kind: type[Operation], registry: Registry) -> Schema:
    """What may stand after an operation's name: its parameters, a shorthand, nothing where none is required."""
    parameters = {**flat(kind), "description": kind.summary()}
    properties = dict(parameters.get("properties", {}))
    shortened = [properties[kind.shorthand]] if kind.shorthand in properties else []
    if checks_field(kind):
        for name in checks(registry):
            reference = {"$ref": f"#/$defs/operation.{name}"}
            properties.setdefault(name, {"anyOf": [reference, {"const": True, "description": "with its defaults"}]})
    for name, many in step_fields(kind).items():
        if name in properties:
            beside = {key: item for key, item in properties[name].items() if key in ("description", "minItems")}
            properties[name] = {"type": "array", "items": TRANSFORM, **beside} if many else {**TRANSFORM, **beside}
    parameters["properties"] = properties
    alternatives = [parameters, *shortened]
    if not parameters.get("required"):
        alternatives.append({"type": "null"})
    return {"anyOf": alternatives, "description": kind.summary()}


def _item(registry: Registry, beside: Schema) -> Schema:
    """One item of a list of steps: one operation by its name, a bare name, or a user's own by ``use``."""
    bare = sorted(name for name, kind in registry.items() if not flat(kind).get("required"))
    named = [
        {
            "type": "object",
            "description": kind.summary(),
            "properties": {name: {"$ref": f"#/$defs/operation.{name}"}, **beside},
            "required": [name],
            "additionalProperties": False,
        }
        for name, kind in registry.items()
    ]
    user = {
        "type": "object",
        "description": "An operation of your own, from a module beside this file.",
        "properties": {"use": {"type": "string", "pattern": r"^\w+(\.\w+)*:\w+$"}, **beside},
        "required": ["use"],
        "minProperties": 2,
        "maxProperties": 2 + len(beside),
    }
    return {"anyOf": [*named, {"type": "string", "enum": bare}, user] if bare else [*named, user]}


def _pipeline() -> Schema:
    outputs = flat(OutputSpec)
    fields = {name: field for name, field in outputs["properties"].items() if name != "name"}
    schedule = _or_none(flat(ScheduleSpec))
    schedule["properties"]["interval"] = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}
    return {
        **_closed(
            {
                "description": {"type": ["string", "null"]},
                "source": _variable(_or_none(flat(SourceSpec))),
                "steps": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}},
                "outputs": {
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": {"pattern": ID},
                    "additionalProperties": _closed(fields),
                },
                "seed": {"type": "integer", "minimum": 0, "default": 0},
                "output": {"type": "string", "minLength": 1, "default": "results/{pipeline}"},
                "partition": {"type": ["string", "null"], "description": "a column whose values get their own shards"},
                "cluster": {"anyOf": [_cluster(), {"type": "null"}]},
                "schedule": {"anyOf": [schedule, {"type": "array", "items": schedule}, {"type": "null"}]},
                "watch": {"anyOf": [flat(WatchSpec), {"type": "null"}]},
            }
        ),
        "required": ["source", "steps"],
    }


def _cluster() -> Schema:
    fields = _variable(_or_none(flat(ClusterSpec)))["properties"]
    shared = {key: fields[key] for key in ("workers", "mixed")}
    class_ = {
        "properties": {**shared, "class": fields["class"]},
        "required": ["class"],
        "not": {"required": ["address"]},
    }
    return {
        "type": "object",
        "description": "a number of local workers, the address of a running scheduler, or a Dask cluster class",
        "anyOf": [
            _closed(shared),
            {**_closed({"address": fields["address"], "mixed": fields["mixed"]}), "required": ["address"]},
            class_,
        ],
    }


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _or_none(model: Schema) -> Schema:
    """The same without nulls, where leaving a key out says it better."""
    made = dict(model)
    made["properties"] = {}
    for name, field in model["properties"].items():
        kept = [one for one in field.get("anyOf", []) if one != {"type": "null"}]
        beside = {key: item for key, item in field.items() if key not in ("anyOf", "default")}
        made["properties"][name] = {**kept[0], **beside} if len(kept) == 1 else field
    return made


def _variable(model: Schema) -> Schema:
    """The same, with an environment variable allowed wherever a number or a word is expected."""
    made = dict(model)
    made["properties"] = {}
    for name, field in model["properties"].items():
        if field.get("type") in ("integer", "number", "boolean") or "enum" in field or "pattern" in field:
            beside = {key: field[key] for key in ("description", "default") if key in field}
            made["properties"][name] = {"anyOf": [field, VARIABLE], **beside}
        else:
            made["properties"][name] = _variable(field) if "properties" in field else field
    return made


def _id() -> Schema:
    return {"type": "string", "pattern": ID, "description": "the step's name; left out, its operation's"}


def _names() -> Schema:
    description = "the steps this one takes; left out, the one before it"
    return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}], "description": description}


def _where() -> Schema:
    values = {"type": ["string", "number", "boolean", "null"]}
    description = "rows whose fields equal these; all others pass unchanged"
    return {"type": "object", "additionalProperties": values, "description": description}
