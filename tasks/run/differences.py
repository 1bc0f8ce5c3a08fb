"""What differs between the pipeline of a version and the one of today, and which artifacts that makes stale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.operation import Operation
from tasks.pipeline.steps import OWN
from tasks.run.job import Stage
from tasks.run.platform import platform_class

OWN_VERSIONS = (
    "imagemill itself: the version of an operation, of its library, or of the decoder, engine, encoder or writer"
)

Steps = Mapping[str, Mapping[str, Any]]


def steps_of(frozen: Mapping[str, Any]) -> Steps:
    """Give a frozen pipeline's steps by id."""
    return {step["id"]: step for step in frozen["steps"]}


def ancestors(steps: Steps, names: Sequence[str]) -> set[str]:
    """Give the steps that lead to those named, themselves among them."""
    found, waiting = set[str](), [name for name in names if name in steps]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(steps[name]["needs"])
    return found


def changed_steps(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[str]]:
    """Say for each step what is new about it, between two frozen pipelines; steps that are as they were are left out.

    Parameters that are not written down have their defaults: one that is only spelled out now counts as a difference.
    """
    old, new = steps_of(before), steps_of(now)
    found = {}
    for name in dict.fromkeys((*new, *old)):
        if name not in old:
            found[name] = ["is new"]
        elif name not in new:
            found[name] = ["is gone"]
        elif said := list(_differing("", old[name], new[name])):
            found[name] = said
    return found


def _differing(path: str, before: Any, now: Any) -> Iterator[str]:
    """Say what differs between two values of a frozen step, by the names that a person would look for."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        old, new = _operation(before), _operation(now)
        if old is not None and new is not None and old != new:
            yield f"{path or 'operation'} {old} -> {new}"
            return
        inside = now.get("id", path) if path else ""
        for key in dict.fromkeys((*now, *before)):
            name = inside if key in (old, new) else f"{inside}.{key}" if inside else key
            yield from _differing(name, before.get(key, _Default), now.get(key, _Default))
    elif _mappings(before) and _mappings(now) and len(before) == len(now):
        for old_item, new_item in zip(before, now, strict=True):
            yield from _differing(str(new_item.get("id", path)), old_item, new_item)
    else:
        yield f"{path} {_short(before)} -> {_short(now)}"


class _Default:
    """Stands for a parameter that is not written down."""


def _operation(value: Mapping[str, Any]) -> str | None:
    """Give the operation's name of a frozen step; nothing for another mapping."""
    names = [key for key in value if key not in OWN]
    return names[0] if len(names) == 1 and "id" in value else None


def _mappings(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _short(value: Any) -> str:
    if value is _Default:
        return "default"
    if _mappings(value):
        return "[" + ", ".join(str(one.get("id", one)) for one in value) + "]"
    return str(value)


def reasons(version: Mapping[str, Any], stage: Stage, artifact: str) -> list[str]:
    """Say why an artifact (``measures``, or an output) of a version is no longer what the pipeline would make.

    Nothing where its fingerprint is the same.
    """
    before, now = version["pipeline"], stage.graph.spec.frozen
    if version["fingerprints"].get(artifact) == stage.fingerprints[artifact]:
        return []
    if artifact not in version["fingerprints"]:
        return ["a new output"]
    old_names, new_names = _ends(before, artifact), _ends(now, artifact)
    steps = ancestors(steps_of(now), new_names) | ancestors(steps_of(before), old_names)
    found = [f"{name}: {text}" for name, texts in changed_steps(before, now).items() if name in steps for text in texts]
    operations = [node.operation for name, node in stage.graph.nodes.items() if name in steps]
    if before["seed"] != now["seed"] and any(operation.is_random for operation in operations):
        found.append(f"seed {before['seed']} -> {now['seed']}")
    found += [f"{name}: to be fitted" for name in stage.graph.waiting if name in steps]
    for part in ("frames", "limits", "metadata"):
        old, new = (one["source"].get(part, "default") for one in (before, now))
        found += [f"source: {part} {_short(old)} -> {_short(new)}"] if old != new else []
    if artifact != "measures":
        found += _of_output(version, stage, artifact)
    found += _of_code(version, stage, operations)
    return list(dict.fromkeys(found)) or [OWN_VERSIONS]


def _ends(frozen: Mapping[str, Any], artifact: str) -> list[str]:
    """Give the steps that an artifact is taken from: all of them for the measures."""
    if artifact == "measures":
        return list(steps_of(frozen))
    return next(list(output["from"]) for output in frozen["outputs"] if output["name"] == artifact)


def _of_output(version: Mapping[str, Any], stage: Stage, name: str) -> Iterator[str]:
    before, now = version["pipeline"], stage.graph.spec.frozen
    old, new = (next(o for o in frozen["outputs"] if o["name"] == name) for frozen in (before, now))
    for part in ("from", "encode", "boxes", "masks"):
        yield from _differing(f"outputs: {name}: {part}", old.get(part, _Default), new.get(part, _Default))
    yield from _differing("partition", before.get("partition", _Default), now.get("partition", _Default))
    changed = changed_steps(before, now)
    yield from (f"{s}: {text}" for s in changed for text in changed[s] if _is_split(before, s) or _is_split(now, s))
    for kind, held in (("classes", stage.contents.classes), ("categories", stage.contents.categories)):
        came = [one for one in held if one not in version[kind]]
        went = [one for one in version[kind] if one not in held]
        if came or went:
            yield f"{kind}: {', '.join([*(f'+{one}' for one in came), *(f'-{one}' for one in went)])}"
    if version["columns"] != stage.contents.columns.serialize().to_pybytes().hex():
        yield "the manifest's columns"


def _is_split(frozen: Mapping[str, Any], name: str) -> bool:
    return "split" in steps_of(frozen).get(name, {})


def _of_code(version: Mapping[str, Any], stage: Stage, operations: Sequence[Operation]) -> Iterator[str]:
    used = {library for operation in operations for one in (operation, *operation.nested()) for library in one.uses}
    before, now = version["platform"]["libraries"], platform_class()["libraries"]
    for library in sorted(used & set(before)):
        if before[library] != now.get(library):
            yield f"{library} {before[library]} -> {now.get(library)}"
    old, new = (frozen.get("files", {}) for frozen in (version["pipeline"], stage.graph.spec.frozen))
    yield from (f"{file} has changed" for file in sorted(new) if file in old and old[file] != new[file])
