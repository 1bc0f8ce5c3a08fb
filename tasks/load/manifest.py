"""A table that lists images: CSV or Parquet, a row an image, its other columns travelling with it.

The table is read twice, streamed: once to fix the columns' types over the whole file and to find an image that is
listed twice (8 bytes a row are held), once to list. A file on a local disk is looked up by itself; on an object store
one listing of the folder that holds them all gives sizes and etags (about 60 bytes an object), never a request each.
What lies outside the root by a URL is listed with size -1 and no etag.
"""

from __future__ import annotations

import csv
import io
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from tasks.errors import RequestError
from tasks.image.targets import Kinds
from tasks.load.files import UNKNOWN, URL, Files
from tasks.load.listing import LISTING, RESERVED, escape, key, unescape, with_keys
from tasks.load.objects import masked
from tasks.operation import canonical_json

Opener = Callable[[], BinaryIO]

_BLOCK: Final = 4 << 20
_LIKELY: Final = ("file_name", "filename", "path", "filepath", "image", "image_path", "url", "file")

_UTC: Final = pa.timestamp("us", "UTC")
_DAY: Final = r"^\d{4}-\d\d-\d\d"
_TIME: Final = r"[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
# In order of preference. A number keeps its text where it would lose something: 007, and more than 15 or 18 digits.
_SHAPES: Final = {
    pa.int64(): r"^-?(0|[1-9]\d{0,17})$",
    pa.float64(): r"^[+-]?((0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d{1,3})?|\.\d+|nan|NaN|inf)$",
    pa.bool_(): r"^(true|false|True|False|TRUE|FALSE)$",
    pa.timestamp("us"): rf"{_DAY}({_TIME})?$",
    _UTC: rf"{_DAY}{_TIME}(Z|[+-]\d\d:?\d\d)$",
}


class MissingColumn(RequestError):
    """A table lacks a column; ``option`` is the source's field that names it."""

    def __init__(self, message: str, option: str) -> None:
        super().__init__(message)
        self.option = option


class Table(ABC):
    """A manifest's file: its columns, and its rows in batches, as often as they are asked for."""

    def __init__(self, open_file: Opener, title: str) -> None:
        self.open = open_file
        self.title = title

    names: list[str]

    @abstractmethod
    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give the rows, with ``names`` as columns."""

    @abstractmethod
    def guess(self) -> Guess:
        """Give what finds the columns' types over all batches."""

    @abstractmethod
    def where(self, row: int) -> str:
        """Say where a row (counted from 0) stands, for a person who looks for it."""

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what is wrong with the file into what a user reads."""
        try:
            yield
        except pa.ArrowException as error:
            if isinstance(error, OSError):
                raise
            text = " ".join(str(error).split())[:300]
            raise RequestError(f"{self.title}: cannot be read as a table ({text}); mend the file") from error


class Guess(ABC):
    """What type each column has, over all the batches seen."""

    @abstractmethod
    def see(self, name: str, column: pa.Array) -> None:
        """Take one batch's values into account."""

    @abstractmethod
    def type(self, name: str) -> pa.DataType:
        """Give the type that holds every value seen."""


class CsvTable(Table):
    """Comma-separated text in UTF-8 with a header line; an empty value is null, whatever the column's type."""

    def __init__(self, open_file: Opener, title: str) -> None:
        super().__init__(open_file, title)
        self._delimiter = "\t" if title.lower().endswith(".tsv") else ","
        header = next(self._records(), None)
        if header is None:
            raise RequestError(f"{title}: the file is empty; its first line must name the columns")
        self._header = header[1]
        self.names = [name or f"unnamed_{i}" for i, name in enumerate(self._header, 1)]

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        with self.open() as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            try:
                reader = csv.reader(text, delimiter=self._delimiter)
                yield from ((reader.line_num, record) for record in reader if record)
            except UnicodeDecodeError as error:
                raise RequestError(f"{self.title}: is not UTF-8 ({error}); save it as UTF-8") from error
            except csv.Error as error:
                raise RequestError(f"{self.title}: cannot be read as CSV ({error})") from error

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give all columns as text."""
        convert = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(self._header, pa.string()), null_values=[""], strings_can_be_null=True
        )
        parse = pa.csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True)
        read = pa.csv.ReadOptions(block_size=_BLOCK)
        with self.reading(), self.open() as file:
            for batch in pa.csv.open_csv(file, read, parse, convert):
                yield batch.rename_columns(self.names)

    def guess(self) -> Guess:
        """From what is written."""
        return CsvGuess()

    def where(self, row: int) -> str:
        """By line: read again, since a value may hold line breaks."""
        records = self._records()
        next(records)
        return next((f"line {line}" for i, (line, _) in enumerate(records) if i == row), f"row {row + 1}")


class CsvGuess(Guess):
    """Text narrowed to the first type whose writing every value has; string where none is left."""

    def __init__(self) -> None:
        self._left: dict[str, list[pa.DataType]] = {}
        self._filled: set[str] = set()

    def see(self, name: str, column: pa.Array) -> None:
        """Drop the types that a value does not fit."""
        left = self._left.setdefault(name, list(_SHAPES))
        if column.null_count < len(column):
            self._filled.add(name)
            left[:] = [type for type in left if _fits(column, type)]

    def type(self, name: str) -> pa.DataType:
        """The first that is left."""
        left = self._left.get(name, [])
        return left[0] if left and name in self._filled else pa.string()


def _fits(column: pa.Array, type: pa.DataType) -> bool:
    if pc.all(pc.match_substring_regex(column, _SHAPES[type])).as_py() is False:
        return False
    try:
        pc.cast(column, type)
    except pa.ArrowInvalid:  # 2024-13-45
        return False
    return True


class ParquetTable(Table):
    """A Parquet file, read by row groups; numbers become int64 and float64, other types stay or are refused."""

    def __init__(self, open_file: Opener, title: str) -> None:
        super().__init__(open_file, title)
        with self.reading(), open_file() as file:
            self._schema = pa.parquet.read_schema(file)
        self.names = self._schema.names

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give a row group at a time, in parts."""
        with self.reading(), self.open() as file, pa.parquet.ParquetFile(file) as table:
            yield from table.iter_batches(8192)

    def guess(self) -> Guess:
        """From the file's schema."""
        return ParquetGuess(self._schema, self.title)

    def where(self, row: int) -> str:
        """By row."""
        return f"row {row + 1}"


class ParquetGuess(Guess):
    """The types that the file declares."""

    def __init__(self, schema: pa.Schema, title: str) -> None:
        self._schema = schema
        self._title = title

    def see(self, name: str, column: pa.Array) -> None:
        """Nothing to see: the file declares its types."""

    def type(self, name: str) -> pa.DataType:
        """The declared type, widened."""
        declared = self._schema.field(name).type
        kind = declared.value_type if pa.types.is_dictionary(declared) else declared
        rules = (
            (pa.types.is_boolean, pa.bool_()),
            (pa.types.is_integer, pa.int64()),
            (pa.types.is_floating, pa.float64()),
            (pa.types.is_timestamp, kind),
            (pa.types.is_date, pa.timestamp("us")),
            (pa.types.is_string, pa.string()),
            (pa.types.is_large_string, pa.string()),
            (pa.types.is_string_view, pa.string()),
            (pa.types.is_null, pa.string()),
        )
        for fits, type in rules:
            if fits(kind):
                return type
        raise RequestError(
            f"{self._title}: column {name!r} has type {declared}; a manifest's columns are strings, numbers, booleans, "
            "dates and timestamps: cast it, or leave it out"
        )


class Manifest:
    """The images that a table lists."""

    categories: tuple[str, ...] = ()

    def __init__(
        self, files: Files, table: Table, uri_column: str, label_column: str | None, mask_column: str | None = None
    ) -> None:
        self._files = files
        self._table = table
        self._uri = uri_column
        self._label = label_column
        self._mask = mask_column
        self._check_header({"uri_column": uri_column, "label_column": label_column, "mask_column": mask_column})

    @property
    def kinds(self) -> Kinds:
        """Whether there are masks."""
        return Kinds(masks=self._mask is not None)

    def _check_header(self, asked: Mapping[str, str | None]) -> None:
        title, names = self._table.title, self._table.names
        exist = f"it has {', '.join(map(repr, names)) or 'none'}"
        twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
        if twice is not None:
            raise RequestError(f"{title}: two columns are called {twice!r}; {exist}")
        for option, column in asked.items():
            if column is not None and column not in names:
                likely = next((name for name in _LIKELY if name in names), None) if option == "uri_column" else None
                advice = f"set uri_column: {likely}" if likely else f"set {option}"
                if len(names) == 1 and ";" in names[0]:
                    advice = "columns are separated by commas, not by semicolons"
                raise MissingColumn(f"{title}: there is no column {column!r}; {exist}; {advice}", option)

    @cached_property
    def columns(self) -> pa.Schema:
        """The columns that travel with each image."""
        return pa.schema([(new, type) for _, new, type in self._scan[0]])

    @cached_property
    def _scan(self) -> tuple[list[tuple[str, str, pa.DataType]], str | None]:
        """Read all once: each further column with its new name and type; the folder to list, where one is needed."""
        guess = self._table.guess()
        carried = [name for name in self._table.names if name not in (self._uri, self._label, self._mask)]
        for name in carried:
            guess.type(name)  # what is declared and cannot be carried is refused before anything is read
        seen: list[NDArray[np.uint64]] = []
        low = high = None
        row = 0
        for batch in self._table.batches():
            for name in carried:
                guess.see(name, batch.column(name))
            uris = self._uris(batch, row)
            row += len(uris)
            seen.append(prefixes(uris))
            masks = [uri for uri in self._uris(batch, row - len(uris), self._mask) if uri] if self._mask else []
            relative = [uri for uri in (*uris, *masks) if not URL.match(uri) and not uri.startswith("../")]
            if relative:
                low = min(relative) if low is None else min(low, *relative)
                high = max(relative) if high is None else max(high, *relative)
        self._refuse_twice(seen)
        columns = [(name, renamed(name, self._table.names, self._table.title), guess.type(name)) for name in carried]
        common = None if low is None or high is None else posixpath.commonprefix([low, high]).rpartition("/")
        return columns, None if common is None else unescape(common[0] + common[1])

    def _refuse_twice(self, seen: list[NDArray[np.uint64]]) -> None:
        hashes = np.concatenate([*seen, np.zeros(0, np.uint64)])
        hashes.sort()
        suspects = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        if not suspects:
            return
        first: dict[str, int] = {}
        row = 0
        for batch in self._table.batches():
            uris = self._uris(batch, row)
            for i, (uri, prefix) in enumerate(zip(uris, prefixes(uris).tolist(), strict=True), row):
                if prefix in suspects and first.setdefault(uri, i) != i:
                    raise RequestError(
                        f"{self._table.title}, {self._table.where(i)}: {uri!r} is listed already at "
                        f"{self._table.where(first[uri])}; list each image once"
                    )
            row += len(uris)

    def _uris(self, batch: pa.RecordBatch, row: int, column: str | None = None) -> list[str]:
        """The URIs in a column, the images' unless it is named: of another, an empty value stays empty."""
        texts = _text(batch.column(column or self._uri)).to_pylist()
        uris = []
        for i, text in enumerate(texts, row):
            try:
                uris.append(self._files.resolve(text or "") if text or not column else "")
            except ValueError as error:
                raise RequestError(f"{self._table.title}, {self._table.where(i)}: {error}") from error
        return uris

    def listing(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Give the table's rows, in its order."""
        columns, folder = self._scan
        looked_up = Index(self._files, folder) if self._files.has_index and folder is not None else None
        schema = pa.schema([*LISTING.remove(0), *self.columns])
        row = 0
        for batch in self._table.batches():
            for start in range(0, batch.num_rows, batch_rows):
                part = batch.slice(start, batch_rows)
                uris = self._uris(part, row)
                sizes, etags = looked_up.look_up(uris) if looked_up else self._look_up(uris)
                labels = _text(part.column(self._label)) if self._label else pa.nulls(len(uris), pa.string())
                arrays = [pa.array(uris, pa.string()), sizes, etags, labels, self._masks(part, row, looked_up)]
                row += len(uris)
                with self._table.reading():
                    arrays += [_cast(part.column(name), type) for name, _, type in columns]
                yield with_keys(pa.RecordBatch.from_arrays(arrays, schema=schema))

    def _masks(self, part: pa.RecordBatch, row: int, looked_up: Index | None) -> pa.Array:
        """Each image's mask as annotations, with size and etag: a mask that changed makes its rows again."""
        if self._mask is None:
            return pa.nulls(part.num_rows, pa.string())
        uris = self._uris(part, row, self._mask)
        sizes, etags = looked_up.look_up(uris) if looked_up else self._look_up(uris)
        about = zip(uris, sizes.to_pylist(), etags.to_pylist(), strict=True)
        texts = [canonical_json(masked(None, *one)) if one[0] else None for one in about]
        return pa.array(texts, pa.string())

    def _look_up(self, uris: list[str]) -> tuple[pa.Array, pa.Array]:
        found = [self._files.stat_uri(uri) if uri else UNKNOWN for uri in uris]
        return pa.array([size for size, _ in found], pa.int64()), pa.array([etag for _, etag in found], pa.string())


class Index:
    """Sizes and etags below a remote folder, by the first 64 bits of the keys."""

    def __init__(self, files: Files, folder: str) -> None:
        hashes: list[NDArray[np.uint64]] = []
        sizes: list[NDArray[np.int64]] = []
        etags: list[pa.Array] = []
        for chunk in chunks(files.walk(hidden=True, below=folder), 8192):
            names, some_sizes, some_etags = zip(*chunk, strict=True)
            hashes.append(prefixes([escape(name) for name in names]))
            sizes.append(np.array(some_sizes, np.int64))
            etags.append(pa.array(some_etags, pa.large_string()))
        unsorted = np.concatenate([*hashes, np.zeros(0, np.uint64)])
        order = np.argsort(unsorted)
        kind = pa.large_string()  # beyond 67 million etags, string's offsets overflow
        self._hashes = unsorted[order]
        self._sizes = np.append(np.concatenate([*sizes, np.zeros(0, np.int64)])[order], UNKNOWN[0])
        self._etags = pa.concat_arrays([*pa.chunked_array(etags, kind).take(order).chunks, pa.array([""], kind)])

    def look_up(self, uris: list[str]) -> tuple[pa.Array, pa.Array]:
        """Give sizes and etags, unknown where nothing was found."""
        wanted = prefixes(uris)
        at = np.searchsorted(self._hashes, wanted)
        unknown = len(self._hashes)
        found = at < unknown
        found[found] = self._hashes[at[found]] == wanted[found]
        at = np.where(found, at, unknown)
        return pa.array(self._sizes[at]), self._etags.take(pa.array(at)).cast(pa.string())


def prefixes(uris: list[str]) -> NDArray[np.uint64]:
    """Give the first 64 bits of the keys."""
    return np.frombuffer(b"".join(key(uri)[:8] for uri in uris), ">u8").astype(np.uint64)


def chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Give lists of at most so many items."""
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def renamed(name: str, names: Sequence[str], title: str) -> str:
    """Give the name under which a column travels: another where rows use its name themselves."""
    if name not in RESERVED:
        return name
    new = f"manifest_{name}"
    if new in names:
        raise RequestError(f"{title}: {name!r} is a name of imagemill's own rows, and {new!r} is taken; rename one")
    return new


def _text(column: pa.Array) -> pa.Array:
    """A column as text, as it stands in the file; an empty text is null."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    text = column if pa.types.is_string(column.type) else pc.cast(column, pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _cast(column: pa.Array, type: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column if column.type == type else pc.cast(column, type)
