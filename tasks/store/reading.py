"""Rows as training reads them: by number, or as a shuffled stream that is shared out among ranks and workers.

A stream reads whole row groups (about 32 MB) one after the other, in an order drawn anew each epoch, and draws rows
from a buffer. Reading by number reads a row group when it is first asked for, and remembers where its images lie: any
row costs a few tenths of a millisecond from then on, and its decoding.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.errors import ImagemillError, RequestError
from tasks.image.randomness import Generator, keyed
from tasks.load.codecs import decode, read_header
from tasks.load.header import Limits
from tasks.load.masks import read_mask
from tasks.store import offsets
from tasks.store.local import whole

if TYPE_CHECKING:
    from tasks.store.dataset import Dataset

Row = dict[str, Any]
Transform = Callable[[Row], Any]

IMAGES: Final = ("image", "mask")
BUFFER: Final = 1000  # encoded rows to draw from


@dataclass(frozen=True)
class Share:
    """The part of a stream that one reader takes: ``index`` of ``count``."""

    index: int = 0
    count: int = 1

    @classmethod
    def of(cls, rank: int, world: int, worker: int, workers: int) -> Share:
        """Give the share of a worker (of a data loader) of a rank (of a distributed training)."""
        return cls(rank * workers + worker, world * workers)

    def bounds(self, rows: int, even: bool) -> tuple[int, int]:
        """Give where the share begins and ends among ``rows``: shares meet, and differ by one row at most.

        With ``even`` none differs: the rows left over are nobody's.
        """
        rows -= rows % self.count if even else 0
        return rows * self.index // self.count, rows * (self.index + 1) // self.count


@dataclass(frozen=True)
class Rows:
    """The rows of an output and a split (all), in the order of the shards.

    A row is a mapping: images and masks as H x W x C and H x W arrays (``decoded``) or as bytes, vectors as float32
    arrays, other columns as plain values. ``columns`` are those that are read, all by default.
    """

    dataset: Dataset
    output: str
    split: str | None = None
    columns: tuple[str, ...] | None = None
    decoded: bool = True

    def __post_init__(self) -> None:
        names = self.dataset.schemas[self.output].names
        unknown = next((name for name in self.columns or () if name not in names), None)
        if unknown is not None:
            raise RequestError(
                f"{self.dataset.store.location}: no column {unknown!r} in {self.output}; there are {', '.join(names)}"
            )

    def select(self, *columns: str) -> Rows:
        """Give the rows with these columns alone: the others are not read."""
        return replace(self, columns=columns)

    def undecoded(self) -> Rows:
        """Give the rows with images and masks as the bytes that are stored."""
        return replace(self, decoded=False)

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        return tuple(self.dataset.files(self.output, self.split))

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The number of each file's first row, and that of all rows."""
        counts = [entry["rows"] for entry in self.dataset.entries(self.output, self.split)]
        return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, number: int) -> Row: ...
    @overload
    def __getitem__(self, number: slice) -> list[Row]: ...

    def __getitem__(self, number: int | slice) -> Row | list[Row]:
        """Give a row by number, counted from the end where negative; of a slice a list of rows."""
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        at = number + len(self) if number < 0 else number
        if not 0 <= at < len(self):
            raise IndexError(f"row {number} of {len(self)}")
        file = int(np.searchsorted(self._starts, at, side="right")) - 1
        path, within = self._files[file], at - int(self._starts[file])
        starts = group_starts(path)
        group = int(np.searchsorted(starts, within, side="right")) - 1
        return self._given(self._row(path, group, within - int(starts[group])))

    def _row(self, path: Path, group: int, at: int) -> Row:
        """Give one row of a row group, undecoded."""
        names = self.columns or tuple(self.dataset.schemas[self.output].names)
        places = {name: offsets.offsets(path, group, name) for name in names if name in IMAGES}
        others = tuple(name for name in names if places.get(name) is None)
        held = large if any(name in (*IMAGES, "pixels") for name in others) else small
        row = _row(held(path, group, others), at) if others else {}
        for name, found in places.items():
            if found is not None:
                offset, length = found[at].tolist()
                row[name] = None if length == offsets.NONE else {"bytes": offsets.read(path, offset, length)}
        return {name: row[name] for name in names}

    def __iter__(self) -> Iterator[Row]:
        return self.stream(shuffle=False)

    def stream(
        self,
        epoch: int = 0,
        *,
        seed: int = 0,
        shuffle: bool = True,
        buffer: int = BUFFER,
        share: Share | None = None,
        even: bool = False,
    ) -> Iterator[Row]:
        """Give every row once, or those of a ``share``: the shares of one epoch and seed hold every row once together.

        Row groups come in an order drawn by seed and epoch, rows from a ``buffer`` of so many; not ``shuffle``: as they
        lie. ``even``: every share has as many rows, so that no rank waits for another; a few rows are left out, others
        in each epoch where they are shuffled.
        """
        share = share or Share()
        draw = keyed("stream", seed, epoch, -1)
        rows = self._rows(draw if shuffle else None, share.bounds(len(self), even))
        if shuffle:
            rows = drawn(rows, max(1, buffer), keyed("stream", seed, epoch, share.index))
        yield from map(self._given, rows)

    def _rows(self, draw: Generator | None, bounds: tuple[int, int]) -> Iterator[Row]:
        """Give the rows between two places of the row groups' order, undecoded."""
        groups = [(path, group) for path in self._files for group in range(len(group_starts(path)) - 1)]
        order = range(len(groups)) if draw is None else draw.permutation(len(groups)).tolist()
        low, high = bounds
        at = 0
        for path, group in (groups[i] for i in order):
            starts = group_starts(path)
            count = int(starts[group + 1] - starts[group])
            start, end = max(low - at, 0), min(high - at, count)
            at += count
            if start < end:
                table = read_group(path, group, self.columns)
                yield from (_row(table, i) for i in range(start, end))

    def _given(self, row: Row) -> Row:
        """Give images and masks as arrays, or as bytes."""
        for name, read in (("image", _image), ("mask", _mask)):
            if isinstance(stored := row.get(name), dict):
                row[name] = read(stored["bytes"]) if self.decoded else stored["bytes"]
        return row

    def torch_dataset(self, transform: Transform | None = None) -> Any:
        """Give a PyTorch ``Dataset`` that reads by number. Raises ``ImagemillError`` where PyTorch is not installed."""
        return _torch().TorchRows(self, transform)

    def torch_iterable(
        self,
        transform: Transform | None = None,
        *,
        seed: int = 0,
        shuffle: bool = True,
        buffer: int = BUFFER,
        even: bool = False,
    ) -> Any:
        """Give a PyTorch ``IterableDataset`` over ``stream``, shared out among ranks and workers.

        Call ``set_epoch`` before each epoch. Raises ``ImagemillError`` where PyTorch is not installed.
        """
        return _torch().TorchStream(self, transform, seed=seed, shuffle=shuffle, buffer=buffer, even=even)


def drawn(rows: Iterator[Row], buffer: int, generator: Generator) -> Iterator[Row]:
    """Draw rows from a buffer that is filled up from a stream: every row once."""
    waiting: list[Row] = []
    for row in rows:
        if len(waiting) < buffer:
            waiting.append(row)
            continue
        at = int(generator.integers(buffer))
        yield waiting[at]
        waiting[at] = row
    yield from (waiting[at] for at in generator.permutation(len(waiting)).tolist())


@lru_cache(maxsize=4096)
def group_starts(path: Path) -> NDArray[np.int64]:
    """Give the number of the first row of each row group of a file, and that of all rows."""
    with whole(path):
        metadata = pq.read_metadata(path)
    counts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def read_group(path: Path, group: int, columns: tuple[str, ...] | None) -> pa.Table:
    """Read a row group, page checksums verified. Raises ``ImagemillError`` where the file is missing or damaged."""
    with whole(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read_row_group(group, columns=None if columns is None else list(columns))


@lru_cache(maxsize=256)
def small(path: Path, group: int, columns: tuple[str, ...]) -> pa.Table:
    """Give columns without pixels of a row group, held by the process."""
    return read_group(path, group, columns)


@lru_cache(maxsize=4)
def large(path: Path, group: int, columns: tuple[str, ...]) -> pa.Table:
    """Give columns with pixels of a row group, held by the process while its neighbours are read."""
    return read_group(path, group, columns)


def _row(table: pa.Table, at: int) -> Row:
    return {field.name: value_of(table.column(i)[at], field) for i, field in enumerate(table.schema)}


def value_of(scalar: pa.Scalar, field: pa.Field) -> Any:
    """Give a value: a vector as an array, in its shape where it has one, all else as Python's."""
    if not pa.types.is_fixed_size_list(field.type):
        return scalar.as_py()
    if not scalar.is_valid:
        return None
    return np.asarray(scalar.values).reshape(json.loads((field.metadata or {}).get(b"shape", b"[-1]")))


_LIMITS: Final = Limits()


def _image(data: bytes) -> NDArray[Any]:
    return decode(data, read_header(data, _LIMITS))


def _mask(data: bytes) -> NDArray[Any]:
    return read_mask(data, _LIMITS)


def _torch() -> Any:
    try:
        return importlib.import_module("tasks.store.torch_rows")
    except ImportError as error:
        raise ImagemillError(f"PyTorch is not installed ({error}): pip install torch") from error
