"""Counts: whole numbers to draw from, both ends included."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from tasks.image.randomness import Generator


class Count(NamedTuple):
    """``[low, high]``, a whole number drawn uniformly, both ends included."""

    low: int
    high: int

    def drawn(self, rng: Generator) -> int:
        """Draw one."""
        return int(rng.integers(self.low, self.high + 1))


def exactly(value: Any) -> Any:
    """Take a number, which is then fixed."""
    return [value, value] if isinstance(value, int) and not isinstance(value, bool) else value


def counted(low: int, high: int) -> Any:
    """Take a whole number, which is then fixed, or ``[low, high]`` to draw from, within bounds.

    To be used as ``Annotated[Count, *counted(1, 100)]``.
    """

    def bounded(value: Count) -> Count:
        if not low <= value.low <= value.high <= high:
            raise ValueError(f"expected a whole number in {low}..{high}, or [low, high] in it, got {list(value)}")
        return value

    number = Annotated[int, Field(ge=low, le=high)]
    taken = BeforeValidator(exactly, json_schema_input_type=number | tuple[number, number])
    return taken, AfterValidator(bounded)
