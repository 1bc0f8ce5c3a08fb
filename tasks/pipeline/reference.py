"""What is said about operations: the list, one operation's page, made from the code alone."""

from __future__ import annotations

import difflib
import inspect
import io
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic.fields import FieldInfo
from ruamel.yaml import YAML

from tasks.errors import RequestError
from tasks.operation import Operation, registry
from tasks.pipeline.json_schema import flat

GROUPS = {
    "standardize": "Standardize",
    "clean": "Clean: checks, filters, denoising",
    "augment": "Augment",
    "extract": "Extract",
    "collection": "Whole collection",
}


@cache
def _described(kind: type[Operation]) -> dict[str, Any]:
    properties = flat(kind).get("properties", {})
    return {
        "name": kind.name(),
        "group": GROUPS.get(kind.__module__.split(".")[1] if "." in kind.__module__ else "", "Yours"),
        "kind": kind.kind,
        "summary": kind.summary(),
        "documentation": inspect.cleandoc(kind.__doc__ or ""),
        "parameters": {name: _parameter(field, properties.get(name, {})) for name, field in kind.model_fields.items()},
        "source": kind.source(),
        "dtypes": list(kind.takes),
        "example": {kind.name(): dict(kind.example)},
    }


def _parameter(field: FieldInfo, schema: Mapping[str, Any]) -> dict[str, Any]:
    about: dict[str, Any] = {
        "required": field.is_required(),
        "schema": {k: v for k, v in schema.items() if k != "default"},
    }
    if not field.is_required():
        about["default"] = _plain(field.get_default(call_default_factory=True))
    return about


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return _plain(value.id) if hasattr(value, "id") else str(value)


def listing() -> list[dict[str, Any]]:
    """Describe every operation, in the order of groups and names."""
    order = [*GROUPS.values(), "Yours"]
    found = [_described(kind) for kind in registry().values()]
    return sorted(found, key=lambda one: (order.index(one["group"]), one["name"]))


def describe(name: str) -> dict[str, Any]:
    """Describe one operation. Raises ``RequestError`` with the nearest names where there is none."""
    known = registry()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; `imagemill operations` lists them all"
        raise RequestError(f"no operation {name!r}{hint}")
    return _described(known[name])


def example_yaml(about: Mapping[str, Any]) -> str:
    """Write an operation's example as the step that a pipeline file would have."""
    parameters = about["example"][about["name"]]
    if not parameters:
        return f"- {about['name']}"
    yaml = YAML()
    yaml.default_flow_style = True
    yaml.width = 10_000
    text = io.StringIO()
    yaml.dump(parameters, text)
    return f"- {about['name']}: {text.getvalue().strip()}"


def type_name(schema: Mapping[str, Any]) -> str:
    """Say in few words what a parameter takes."""
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if either := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(type_name(one) for one in either))
    if schema.get("type") == "array" and "prefixItems" in schema:
        return f"[{', '.join(type_name(one) for one in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        return f"list of {type_name(schema.get('items', {}))}"
    low, high = (
        schema.get("minimum", schema.get("exclusiveMinimum")),
        schema.get("maximum", schema.get("exclusiveMaximum")),
    )
    bounds = (
        f" {'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
        if (low, high) != (None, None)
        else ""
    )
    if "$ref" in schema:
        return "step"
    return str(schema.get("type", "value")) + bounds


def page(name: str) -> str:
    """Write one operation's page for the terminal."""
    about = describe(name)
    lines = [
        f"{about['name']}  ({about['kind']}; {', '.join(about['dtypes'])})",
        "",
        about["documentation"],
        "",
        "Parameters:",
    ]
    for parameter, one in about["parameters"].items():
        default = "required" if one["required"] else f"default {json.dumps(one['default'])}"
        lines.append(f"  {parameter}: {type_name(one['schema'])}  ({default})")
    if not about["parameters"]:
        lines.append("  none")
    return "\n".join([*lines, "", "Example:", example_yaml(about)])
