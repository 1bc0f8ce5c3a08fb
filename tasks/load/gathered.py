"""A layout that must be read to its end before its columns and categories are known: once, into a temporary file.

What others say of images stands in many small files or as free-form JSON, so the types of the columns, the names of the
categories and the kinds of targets are found out on the way. The memory does not grow with the images.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final, NamedTuple

import pyarrow as pa

from tasks.image.targets import Kinds
from tasks.load.instances import PARTS
from tasks.load.listing import LISTING, with_keys
from tasks.load.manifest import renamed
from tasks.load.objects import kinds_of
from tasks.operation import canonical_json

_INT64: Final = 1 << 63


class Found(NamedTuple):
    """One image as its layout tells of it; ``columns`` are JSON's values."""

    uri: str
    size: int
    etag: str
    label: str | None = None
    annotations: Mapping[str, Any] | None = None
    columns: Mapping[str, Any] = {}


def as_json(value: Any) -> Any:
    """Give a table's value as one of JSON's: times as ISO 8601 writes them."""
    return value if isinstance(value, (str, int, float, bool, type(None))) else value.isoformat()


class Gathered:
    """The images that ``found`` gives, in its order.

    ``names`` are the declared categories, which come first in their order; others follow by name. ``kinds`` may
    say more of the targets than what is found.
    """

    def __init__(
        self,
        title: str,
        found: Callable[[], Iterator[Found]],
        labelled: bool = True,
        names: Callable[[], tuple[str, ...]] = lambda: (),
        kinds: Callable[[Kinds], Kinds] = lambda found: found,
    ) -> None:
        self._title = title
        self._found = found
        self._labelled = labelled
        self._names = names
        self._kinds = kinds

    @cached_property
    def _all(self) -> _Spilled:
        return _Spilled(self._found(), self._labelled)

    @cached_property
    def _columns(self) -> list[tuple[str, pa.Field]]:
        """Each column by the name under which it was found."""
        types = self._all.types
        return [(name, pa.field(renamed(name, list(types), self._title), _type(types[name]))) for name in sorted(types)]

    @property
    def columns(self) -> pa.Schema:
        """The columns beside label and objects, by name."""
        return pa.schema([field for _, field in self._columns])

    @property
    def categories(self) -> tuple[str, ...]:
        """The objects' categories."""
        declared = self._names()
        return (*declared, *sorted(self._all.categories - set(declared)))

    @property
    def kinds(self) -> Kinds:
        """What the objects have beside boxes."""
        return self._kinds(kinds_of(self._all.parts, self._all.masks))

    def listing(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Give the batches."""
        schema = pa.schema([*LISTING.remove(0), *self.columns])
        rows = self._all.rows()
        while chunk := list(islice(rows, batch_rows)):
            arrays = [
                pa.array(column, field.type)
                for column, field in zip(zip(*(row[:5] for row in chunk), strict=True), schema, strict=False)
            ]
            for name, field in self._columns:
                values = [_value(row[5].get(name), field.type) for row in chunk]
                arrays.append(pa.array(values, field.type))
            yield with_keys(pa.RecordBatch.from_arrays(arrays, schema=schema))


class _Spilled:
    """Everything found, as lines of JSON in a file that has no name, and what was learnt on the way."""

    def __init__(self, found: Iterator[Found], labelled: bool) -> None:
        self.types: dict[str, set[type]] = {}
        self.categories: set[str] = set()
        self.parts: dict[str, int] = {}
        self.masks = False
        self._file: BinaryIO = TemporaryFile()  # noqa: SIM115 - it lasts as long as this does
        for one in found:
            self._learn(one)
            text = None if one.annotations is None else canonical_json(one.annotations)
            line = [one.uri, one.size, one.etag, _text(one.label) if labelled else None, _text(text), one.columns]
            self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def _learn(self, one: Found) -> None:
        for name, value in one.columns.items():
            seen = self.types.setdefault(name, set())
            if value is not None:
                seen.add(_kind(value))
        said = one.annotations or {}
        self.categories.update(said.get("categories", ()))
        self.masks = self.masks or "mask" in said
        for part in PARTS:
            for value in said.get(part, ()):
                if value is not None:
                    self.parts[part] = max(self.parts.get(part, 0), len(value))

    def rows(self) -> Iterator[list[Any]]:
        """Give what was found again."""
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)


def _kind(value: Any) -> type:
    if isinstance(value, int) and not isinstance(value, bool) and not -_INT64 <= value < _INT64:
        return str
    return type(value) if isinstance(value, (bool, int, float, str)) else dict


def _type(seen: set[type]) -> pa.DataType:
    if seen == {bool}:
        return pa.bool_()
    if seen == {int}:
        return pa.int64()
    return pa.float64() if seen and seen <= {int, float} else pa.string()


def _value(value: Any, kind: pa.DataType) -> Any:
    if value is None or not pa.types.is_string(kind):
        return value
    return _text(value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False))


def _text(value: str | None) -> str | None:
    """Give text as Arrow takes it: JSON may escape halves of characters."""
    return value if value is None or value.isascii() else value.encode("utf-8", "replace").decode()
