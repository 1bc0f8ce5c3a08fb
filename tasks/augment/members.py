"""What composers know of their members before any image is seen: dtype, size, channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tasks.operation import DTYPES, Operation, Step

T = TypeVar("T")


def fold(steps: Sequence[Step], rule: Callable[[Operation, T], T], value: T) -> T:
    """Take what is known through steps that are all done, in order."""
    for step in steps:
        value = rule(step.operation, value)
    return value


def agreed(values: Iterable[T | None]) -> T | None:
    """Give the value that all alternatives share, or nothing."""
    first, *others = values
    return first if all(value == first for value in others) else None


def gives(operation: Operation, dtype: str) -> str:
    """Give an operation's dtype for ``fold``."""
    return operation.gives(dtype)


def same_dtype(name: str, alternatives: Sequence[Callable[[str], str]]) -> None:
    """Raise ``ValueError`` where rows would get different dtypes by chance."""
    for dtype in DTYPES:
        made = sorted({alternative(dtype) for alternative in alternatives})
        if len(made) > 1:
            raise ValueError(
                f"{name} would give {' or '.join(made)} by chance for {dtype}: put the step that changes the dtype "
                f"before or after {name}, for every row"
            )
