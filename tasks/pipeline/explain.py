"""Pydantic's errors, rewritten for the person whose file it is: what was expected, what stands there."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from tasks.pipeline.json_schema import Schema, flat
from tasks.pipeline.mistakes import Mistakes, Path

LONGEST = 60  # characters of a value in a message
MOST_NAMES = 12  # names that a message lists


def explain(
    error: ValidationError,
    model: type[BaseModel],
    given: Mapping[str, Any],
    locate: Callable[[Path], Path],
    mistakes: Mistakes,
    *,
    what: str,
) -> None:
    """Add one mistake for each wrong value.

    ``given`` is what stands in the file; ``locate`` takes a path in it to one in the file.
    """
    whole = flat(model)
    found: dict[Path, list[Any]] = {}
    for detail in error.errors(include_url=False):
        found.setdefault(_pruned(detail, given), []).append(detail)
    for path, details in found.items():
        if not any(path[:n] in found for n in range(len(path))):
            _add(path, details, whole, given, locate, mistakes, what)


def _add(
    path: Path,
    details: list[Any],
    whole: Schema,
    given: Mapping[str, Any],
    locate: Callable[[Path], Path],
    mistakes: Mistakes,
    what: str,
) -> None:
    kinds = {detail["type"] for detail in details}
    own = next((d["msg"] for d in details if d["type"] in ("value_error", "assertion_error")), None)
    filled_in = isinstance(value := _value(given, path), str) and "${" in value  # its message may hold a secret
    if own is not None and not filled_in:
        mistakes.add(locate(path), own.removeprefix("Value error, ").removeprefix("Assertion failed, "))
    elif kinds == {"extra_forbidden"}:
        known = _at(whole, path[:-1]).get("properties", {})
        nested = f"`{path[-2]}`" if len(path) > 1 else what
        mistakes.add(locate(path), f"{nested} has no `{path[-1]}`{hint(str(path[-1]), known)}", key=True)
    elif "missing" in kinds and not _there(given, path):
        mistakes.add(locate(path), f"missing: expected {describe(_at(whole, path))}")
    else:
        wanted = _at(whole, path)
        expected = describe(wanted) if wanted else details[0]["msg"].replace("Input should be ", "")
        ending = " as it is filled in" if filled_in else _did_you_mean(value, wanted)
        mistakes.add(locate(path), f"expected {expected}, got {shown(value)}{ending}")


def refuse_booleans(
    model: type[BaseModel], given: Mapping[str, Any], locate: Callable[[Path], Path], mistakes: Mistakes
) -> None:
    """Note every true and false where a number is expected: pydantic alone would take them for 1 and 0."""
    waiting: list[tuple[Path, Any, Schema]] = [((), given, flat(model))]
    while waiting:
        path, value, schema = waiting.pop()
        parts = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
        waiting += [((*path, part), inner, _inside(schema, part)) for part, inner in parts]
        if isinstance(value, bool) and _numbers_only(schema):
            mistakes.add(locate(path), f"expected {describe(schema)}, got {shown(value)}")


def _numbers_only(schema: Schema) -> bool:
    options = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return all(one.get("type") in ("integer", "number", "array") for one in options)


def _pruned(detail: Any, given: Any) -> Path:
    """Keep the parts of an error's location that stand in the file: unions add their members' names to it."""
    kept: list[str | int] = []
    value, last = given, len(detail["loc"]) - 1
    for i, part in enumerate(detail["loc"]):
        if _has(value, part):
            value = value[part]
            kept.append(part)
        elif i == last and detail["type"] == "missing" and isinstance(value, Mapping):
            kept.append(part)
    if not kept and detail["loc"] and isinstance(given, Mapping):  # a validator has moved it: look for the value
        kept += [key for key, value in given.items() if value is detail["input"]][:1]
    return tuple(kept)


def _there(given: Any, path: Path) -> bool:
    for part in path:
        if not _has(given, part):
            return False
        given = given[part]
    return True


def _has(value: Any, part: Any) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _value(given: Any, path: Path) -> Any:
    for part in path:
        given = given[part] if _has(given, part) else None
    return given


def _at(schema: Schema, path: Path) -> Schema:
    for part in path:
        schema = _inside(schema, part)
    return schema


def _inside(schema: Schema, part: str | int) -> Schema:
    found: Any = None
    if isinstance(part, str):
        patterns = schema.get("patternProperties", {}).items()
        named = (one for pattern, one in patterns if re.search(pattern, part))
        found = schema.get("properties", {}).get(part) or next(named, schema.get("additionalProperties"))
    else:
        first = schema.get("prefixItems", [])
        found = first[part] if part < len(first) else schema.get("items")
    if isinstance(found, dict) and found:
        return found
    options: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or []
    inner = (_inside(one, part) for one in options)
    return next((one for one in inner if one), {})


def describe(schema: Schema) -> str:
    """Say in a few words what a schema takes."""
    kind = schema.get("type")
    options: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or []
    if options:
        return " or ".join(dict.fromkeys(describe(one) for one in options if one.get("type") != "null"))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ("one of " if len(schema["enum"]) > 1 else "") + ", ".join(f"`{one}`" for one in schema["enum"])
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _bounds(schema)
    if kind == "array":
        return _list(schema)
    words = {"string": "text", "boolean": "true or false", "object": "a mapping", "null": "nothing"}
    if kind == "string" and "pattern" in schema:
        return f"text like {schema['pattern']}"
    return words.get(str(kind), "a step" if "$ref" in schema else "another value")


def _list(schema: Schema) -> str:
    first = schema.get("prefixItems", [])
    if first:
        kinds = {describe(one) for one in first}
        titles = [str(one["title"]).lower() for one in first if "title" in one]
        named = f" [{', '.join(titles)}]" if len(titles) == len(first) else ""
        return f"{len(first)} {_plural(kinds.pop() if len(kinds) == 1 else '')}{named}"
    low, high = schema.get("minItems"), schema.get("maxItems")
    many = _plural(describe(schema["items"]) if schema.get("items") else "")
    if low is not None and low == high:
        return f"a list of {low} {many}"
    ends = [f"at least {low}" if low else "", f"at most {high}" if high else ""]
    return f"a list of {many}" + "".join(f", {end}" for end in ends if end)


def _plural(one: str) -> str:
    for single, many in (("a whole number", "whole numbers"), ("a number", "numbers"), ("a step", "steps")):
        if one.startswith(single):
            return many + one.removeprefix(single)
    return {"text": "texts", "a mapping": "mappings"}.get(one, f"values ({one})" if one else "values")


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" in {shown(low)}..{shown(high)}"
    words = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "of at most",
        "exclusiveMaximum": "below",
        "multipleOf": "divisible by",
    }
    parts = [f"{word} {shown(schema[key])}" for key, word in words.items() if schema.get(key) is not None]
    return "".join(f" {part}" for part in [" and ".join(parts)] if part)


def shown(value: Any) -> str:
    """Write a value as it may stand in a file, cut where it is long."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        text = repr(value)
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Find the name that a user may have meant."""
    by_folded = {name.lower().replace("-", "_"): name for name in names}
    close = difflib.get_close_matches(word.lower().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def hint(word: str, names: Iterable[str]) -> str:
    """End a message with the nearest name, else with all of them where they are few."""
    known = list(names)
    if near := nearest(word, known):
        return f"; did you mean `{near}`?"
    return f"; expected {', '.join(f'`{name}`' for name in known)}" if 0 < len(known) <= MOST_NAMES else ""


def _did_you_mean(value: Any, schema: Schema) -> str:
    if not isinstance(value, str):
        quotable = describe(schema) == "text" and isinstance(value, (int, float)) and not isinstance(value, bool)
        return f"; quote it: '{value}'" if quotable else ""
    near = nearest(value, [one for one in schema.get("enum", []) if isinstance(one, str)])
    return f"; did you mean `{near}`?" if near else ""
