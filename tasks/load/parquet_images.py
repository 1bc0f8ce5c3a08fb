"""Parquet files that hold images: those of Hugging Face datasets, or any with a column of bytes.

A source is a row, named ``train.parquet!/image/17`` (file, column, row). The image column is the one that the metadata
of ``datasets`` calls an Image, else one of struct<bytes, path>, else one of bytes called image, img, jpg or the like;
``image_column`` says so where there are several. Only the other columns are read to list.

A ClassLabel's names become labels and categories; ``objects`` become boxes (see ``objects``); text, numbers, booleans
and times are columns; lists, structs and other images are not carried. The split in a file's name
(``train-00000-of-00002.parquet``) is the column ``manifest_split``. All files must have the same columns.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import Rejected, RequestError
from tasks.load.containers import INSIDE, Held, opened, stamp, unstamped
from tasks.load.files import MISSING, Files, too_large
from tasks.load.gathered import Found, as_json
from tasks.load.listing import escape, unescape
from tasks.load.objects import CATEGORIES, annotated, masked
from tasks.load.verdicts import CORRUPT

ENDING: Final = ".parquet"
_BINARY: Final = ("image", "img", "jpg", "jpeg", "png", "webp", "bytes", "image_bytes", "content")
_PLAIN: Final = (
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean, pa.types.is_integer),
    *(pa.types.is_floating, pa.types.is_timestamp, pa.types.is_date),
)
_LISTS: Final = ("List", "Sequence", "LargeList")
BATCH: Final = 8192
"""Rows that are listed at a time."""


class Columns:
    """What a file's schema says of its columns."""

    def __init__(self, schema: pa.Schema, title: str, image: str | None) -> None:
        self.schema = schema
        self.title = title
        stored = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        self._features: dict[str, Any] = stored.get("info", {}).get("features", {}) if isinstance(stored, dict) else {}
        self.image = self._image(image)

    def _image(self, asked: str | None) -> str:
        images = [name for name in self.schema.names if self._is_image(name)]
        if asked is not None:
            if asked not in self.schema.names or not self._holds_bytes(asked):
                likely = f"those of images are {', '.join(images)}" if images else "none holds images"
                raise RequestError(f"{self.title}: image_column {asked!r} is no column of images; {likely}")
            return asked
        images = images or [name for name in self.schema.names if name.lower() in _BINARY and self._holds_bytes(name)]
        if not images:
            raise RequestError(
                f"{self.title}: no column holds images; there are {', '.join(self.schema.names)}; a table that names "
                "files is format: parquet"
            )
        first = "image" if "image" in images else images[0]
        others = [name for name in images if name not in (first, "mask")]
        if others:
            raise RequestError(f"{self.title}: several columns hold images ({', '.join(images)}); set image_column")
        return first

    def _is_image(self, name: str) -> bool:
        feature = self._features.get(name)
        told = isinstance(feature, dict) and feature.get("_type") == "Image"
        return (told or pa.types.is_struct(self.schema.field(name).type)) and self._holds_bytes(name)

    def _holds_bytes(self, name: str) -> bool:
        kind = self.schema.field(name).type
        if pa.types.is_struct(kind):
            names = [field.name for field in kind]
            return "bytes" in names and _is_bytes(kind.field("bytes").type)
        return _is_bytes(kind)

    @cached_property
    def mask(self) -> str | None:
        """The column of masks of class indices, where there is one: a struct of bytes and path."""
        if "mask" not in self.schema.names or self.image == "mask" or not self._is_image("mask"):
            return None
        kind = self.schema.field("mask").type
        return "mask" if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0 else None

    @cached_property
    def plain(self) -> list[str]:
        """The columns that travel as they are."""
        return [field.name for field in self.schema if any(fits(field.type) for fits in _PLAIN)]

    def names(self, *path: str) -> tuple[str, ...]:
        """Give the names of a ClassLabel: ``label``, or a field of ``objects``."""
        feature: Any = self._features
        for part in path:
            feature = _unlisted(feature)
            feature = feature[0] if isinstance(feature, list) and feature else feature
            feature = feature.get(part) if isinstance(feature, dict) else None
        feature = _unlisted(feature)
        return tuple(feature.get("names", ())) if isinstance(feature, dict) else ()

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The names of the objects' categories."""
        return next((found for name in CATEGORIES if (found := self.names("objects", name))), ())


def _unlisted(feature: Any) -> Any:
    """Give what a list's feature is of."""
    while isinstance(feature, dict) and feature.get("_type") in _LISTS:
        feature = feature.get("feature")
    return feature


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def damage(error: BaseException) -> str | None:
    """Say what is wrong with a file's bytes; nothing where the disk or the network failed."""
    damaged = isinstance(error, pa.ArrowException) or (isinstance(error, OSError) and error.errno is None)
    return " ".join(str(error).split())[:200] if damaged else None


@contextmanager
def _whole(files: Files, name: str) -> Iterator[BinaryIO]:
    """Open a file to list it. Raises ``RequestError`` where it is no Parquet file, or a damaged one."""
    with files.open(name) as file:
        try:
            yield file
        except (pa.ArrowException, OSError) as error:
            if (harm := damage(error)) is None:
                raise
            place = f"{files.root}/{escape(name)}"
            raise RequestError(f"{place}: is no Parquet file, or a damaged one ({harm}); mend or remove it") from error


class ParquetMembers:
    """The images in the rows of Parquet files below a root."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._held: Held[tuple[str, str], RowGroups] = Held()
        self._lock = Lock()

    def read(self, uri: str, etag: str, limit: int) -> bytes | None:
        """Give a row's image; nothing where the URI names no row."""
        name, inside, member = uri.partition(INSIDE)
        if not inside:
            return None
        column, _, row = member.rpartition("/")
        if not row.isdecimal():
            raise Rejected(MISSING, f"{uri}: names no row")
        listed = unstamped(etag)[0]
        with self._lock:
            try:
                file = self._held.get((name, listed), lambda: self._opened(name, listed))
                data = file.image(column, int(row))
            except (pa.ArrowException, OSError) as error:
                if (harm := damage(error)) is None:
                    raise
                raise Rejected(CORRUPT, f"{uri}: the file is damaged there ({harm})") from error
        return checked(uri, data, limit)

    def _opened(self, name: str, etag: str) -> RowGroups:
        return RowGroups(pq.ParquetFile(opened(self._files, unescape(name), etag)))


class RowGroups:
    """An open file, of which one row group's images are held: it is read forwards."""

    def __init__(self, file: pq.ParquetFile) -> None:
        self.file = file
        groups = (file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups))
        self._ends = [0]
        for rows in groups:
            self._ends.append(self._ends[-1] + rows)
        self._held: tuple[int, str, pa.ChunkedArray] | None = None

    def close(self) -> None:
        """Close the file."""
        self.file.close(force=True)

    def image(self, column: str, row: int) -> bytes | None:
        """Give the bytes in a row, None where it holds none; ``Rejected`` (``missing``) where there is no such row."""
        group = bisect_right(self._ends, row) - 1
        if row >= self._ends[-1] or column not in self.file.schema_arrow.names:
            raise Rejected(MISSING, f"row {row} of {column!r}: there is no such row")
        if self._held is None or self._held[:2] != (group, column):
            self._held = None  # two row groups at a time are too many
            self._held = (group, column, self.file.read_row_group(group, columns=[column]).column(column))
        value = self._held[2][row - self._ends[group]].as_py()
        found: bytes | None = value.get("bytes") if isinstance(value, dict) else value
        return found


def checked(uri: str, data: bytes | None, limit: int) -> bytes:
    """Give a row's bytes, or the verdict on it."""
    if data is None:
        raise Rejected(MISSING, f"{uri}: the row holds no image's bytes (a path alone is not followed)")
    if len(data) > limit:
        raise too_large(uri, len(data), limit)
    return data


def rows(
    files: Files, listed: Iterator[tuple[str, int, str]], image: str | None, label: str | None, required: bool
) -> Iterator[Found]:
    """Give a source a row of every Parquet file; other files are the format's own.

    Raises ``RequestError`` where a file's columns differ from the first one's, or have no ``label`` that is required.
    """
    first: tuple[str, Columns] | None = None
    for name, _, etag in sorted(listed):
        if not name.endswith(ENDING):
            continue
        with _whole(files, name) as file:
            own = Columns(pq.read_schema(file), f"{files.root}/{escape(name)}", image)
        if required and label is not None and label not in own.plain:
            raise RequestError(f"{own.title}: there is no column {label!r}; set label_column: {', '.join(own.plain)}")
        first = first or (name, own)
        if own.schema.names != first[1].schema.names or own.schema.types != first[1].schema.types:
            raise RequestError(
                f"{files.root}/{escape(name)}: its columns are not those of {first[0]}; give each kind its own source"
            )
        yield from _file(files, name, etag, own, label)


def _file(files: Files, name: str, etag: str, columns: Columns, label: str | None) -> Iterator[Found]:
    part = name.rpartition("/")[2].split("-")
    split = {"split": part[0]} if len(part) > 3 and part[-2] == "of" and "split" not in columns.plain else {}
    names = columns.names(label) if label is not None else ()
    for row, said in enumerate(_said(files, name, columns)):
        boxes = annotated(said.pop("objects"), columns.categories) if "objects" in said else None
        if columns.mask and said.pop(columns.mask) is not None:
            boxes = masked(boxes, f"{escape(name)}{INSIDE}{columns.mask}/{row}", -1, stamp(etag, row))
        named = _label(said.pop(label), names) if label is not None and label in said else None
        carried = {key: as_json(value) for key, value in said.items()} | split
        yield Found(f"{escape(name)}{INSIDE}{columns.image}/{row}", -1, stamp(etag, row), named, boxes, carried)


def _said(files: Files, name: str, columns: Columns) -> Iterator[dict[str, Any]]:
    """Give what a file says of each row beside its images."""
    wanted = [*columns.plain, *(["objects"] if "objects" in columns.schema.names else [])]
    wanted += [f"{columns.mask}.path"] if columns.mask else []
    with _whole(files, name) as opened, pq.ParquetFile(opened) as file:
        if not wanted:
            yield from ({} for _ in range(file.metadata.num_rows))
            return
        for batch in file.iter_batches(BATCH, columns=wanted):
            yield from batch.to_pylist()


def _label(value: Any, names: tuple[str, ...]) -> str | None:
    if value is None or (names and value == -1):  # datasets writes -1 where a test set has no labels
        return None
    return names[value] if names and isinstance(value, int) and value < len(names) else str(value)
