"""Mistakes in a pipeline file: where each one is, what was expected there, and all of them in one error."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.errors import RequestError

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """A place in a pipeline file, for a person (line and column count from 1) and by its path.

    Line 0: the value came from a frozen pipeline, which has no lines.
    """

    file: str
    line: int
    column: int
    path: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Mistake:
    """What is wrong at one place."""

    place: Place
    message: str

    def __str__(self) -> str:
        path = f"{self.place.path}: " if self.place.path else ""
        return f"{self.place}: {path}{self.message}"


class SpecError(RequestError):
    """Everything that is wrong with a pipeline file, one mistake a line, in the order of its lines."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        ordered = sorted(dict.fromkeys(mistakes), key=lambda m: (m.place.line, m.place.column))
        super().__init__("\n".join(str(mistake) for mistake in ordered))
        self.mistakes = tuple(ordered)

    @classmethod
    def at(cls, place: Place, message: str) -> SpecError:
        """Give the error for one mistake."""
        return cls([Mistake(place, message)])

    def __reduce__(self) -> tuple[object, ...]:
        return (SpecError, (self.mistakes,))


@dataclass(frozen=True)
class Document:
    """Plain values with the place of each: of the value, and of the key that names it."""

    value: Any
    file: str
    values: Mapping[Path, tuple[int, int]] = field(default_factory=dict)
    keys: Mapping[Path, tuple[int, int]] = field(default_factory=dict)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Find the place of a path, or of the nearest thing around it where the file does not have it."""
        for length in range(len(path), -1, -1):
            near = path[:length]
            found = self.keys.get(near) if key and length == len(path) else None
            found = found or self.values.get(near)
            if found:
                return Place(self.file, *found, dotted(path))
        return Place(self.file, 0, 0, dotted(path))


def dotted(path: Path) -> str:
    """Write a path as people do: ``pipelines.detection.steps[3].rotate.degrees``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


class Mistakes:
    """Collects what is wrong with one document, so that a user sees all of it at once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.found: list[Mistake] = []

    def __len__(self) -> int:
        return len(self.found)

    def add(self, path: Path, message: str, *, key: bool = False) -> None:
        """Note a mistake at a value, or at the key that names it."""
        self.found.append(Mistake(self.document.place(path, key=key), message))

    def take(self, others: Mistakes, *, but: Collection[str]) -> None:
        """Add others' mistakes, but those at the paths named and at paths that have one already."""
        known = {*but, *(mistake.place.path for mistake in self.found)}
        self.found += [mistake for mistake in others.found if mistake.place.path not in known]

    def check(self) -> None:
        """Raise what was found, if anything was."""
        if self.found:
            raise SpecError(self.found)
