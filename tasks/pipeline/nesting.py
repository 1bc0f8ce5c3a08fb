"""Which fields of an operation hold other operations, and how a file may shorten them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

from tasks.operation import Check, Operation, Step

Registry = Mapping[str, type[Operation]]


@cache
def step_fields(kind: type[Operation]) -> dict[str, bool]:
    """Find the fields annotated with ``Step``, and for each whether it takes a list of them."""
    return {
        name: not _is_one_step(info.annotation)
        for name, info in kind.model_fields.items()
        if _holds_step(info.annotation)
    }


def _holds_step(annotation: Any) -> bool:
    return annotation is Step or any(_holds_step(part) for part in get_args(annotation))


def _is_one_step(annotation: Any) -> bool:
    return annotation is Step or (get_origin(annotation) in (Union, UnionType) and Step in get_args(annotation))


def checks_field(kind: type[Operation]) -> str | None:
    """Name the field that a mapping of checks by name fills, where the class says ``nested_checks``."""
    return next(iter(step_fields(kind)), None) if getattr(kind, "nested_checks", False) else None


def checks(registry: Registry) -> dict[str, type[Operation]]:
    """Give the registered checks by name: those that a mapping of checks may name."""
    return {name: kind for name, kind in registry.items() if issubclass(kind, Check) and not checks_field(kind)}
