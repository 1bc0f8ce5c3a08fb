"""What all formats share: what holds for every row of a dataset, and the files of one that is being written."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from tasks.errors import ImagemillError

Row = Mapping[str, Any]
"""A row as it is stored: image and mask as bytes and path, vectors as float32 arrays, all else as plain values."""


@dataclass(frozen=True)
class About:
    """What holds for every row: the names behind its numbers, and which targets there are.

    ``columns`` are all but image and mask, in the rows' order; ``vectors`` those that hold arrays; ``objects`` are the
    fields of an object, none where there are no objects.
    """

    columns: tuple[str, ...]
    vectors: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    images: bool = True
    objects: frozenset[str] = frozenset()
    masks: bool = False
    key_points: tuple[str, ...] = ()
    pairs: tuple[tuple[int, int], ...] | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))

    def label(self, row: Row) -> str | None:
        """Give the name of a row's label."""
        number = row.get("label")
        return None if number is None else self.classes[number]

    def category(self, one: Mapping[str, Any]) -> str:
        """Give the name of an object's category."""
        number: int = one["category"]
        return self.categories[number]

    def plain(self, row: Row) -> dict[str, Any]:
        """Give a row's columns but the vectors as JSON takes them, names in the place of numbers."""
        made = {name: row[name] for name in self.columns if name not in self.vectors}
        if "label" in made:
            made["label"] = self.label(row)
        if "objects" in made:
            made["objects"] = [{**one, "category": self.category(one)} for one in made["objects"] or []]
        return made


class Writer(ABC):
    """A dataset in another format, written row by row. Memory is bounded; the bytes depend on the rows alone."""

    describes: ClassVar[str] = "images"
    """What the format is for, in words; ``fits`` says whether the rows are that."""

    def __init__(self, folder: Path, about: About) -> None:
        self.folder = folder
        self.about = about

    @classmethod
    def fits(cls, about: About) -> bool:
        """Say whether the format has a place for what the rows are about."""
        return about.images

    def shard(self, split: str) -> None:  # noqa: B027 - most formats have none
        """Begin the rows of another file of the dataset."""

    @abstractmethod
    def add(self, split: str, row: Row) -> None:
        """Write one row."""

    @abstractmethod
    def close(self) -> None:
        """Write what comes after all rows."""

    def write(self, place: str, data: bytes) -> None:
        """Write one file, once."""
        path = self.folder / place
        try:
            file = path.open("xb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")
        with file:
            file.write(data)


def stem(row: Row) -> str:
    """Give a row's name in file systems and tar archives: its id without dots and colons, which mean something there.

    Ids are hex digits and steps' names, which hold no dash, so no two rows share a name.
    """
    return str(row["id"]).replace(".", "-").replace(":", "-")


def suffix(image: Mapping[str, Any]) -> str:
    """Give the ending of an image's name, with its dot."""
    return Path(image["path"]).suffix


def folder_of(name: str) -> str:
    """Give a class's name as one folder's: as it is where it can be."""
    unsafe = name.startswith(".") or "/" in name or "\0" in name or not name
    made = quote(name, safe=" ").replace(".", "%2E") if unsafe else name
    if len(made.encode()) > 255:
        raise ImagemillError(f"the class {name[:40]!r}... is no folder's name: it is too long; shorten the label")
    return made or "%"


def dumps(value: Any) -> str:
    """Write JSON on one line, numbers as short as they can be read back."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=True, default=_listed)


def _listed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return numbers(value.tolist())
    return str(value)


def numbers(values: Sequence[float]) -> list[float]:
    """Give float32 values as the shortest floats that read back the same."""
    return [float(str(np.float32(value))) for value in values]
