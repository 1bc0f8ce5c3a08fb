"""A folder's files, or those of them that match a pattern, as a listing; of every archive its members."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from tasks.errors import RequestError
from tasks.image.targets import BOXES
from tasks.load import tar
from tasks.load.containers import INSIDE
from tasks.load.files import Files, Found
from tasks.load.listing import Row, batches, escape, legible, unescape


class Folder:
    """The files below a folder, or those of them that match a pattern; of an archive its members."""

    columns = pa.schema([])
    categories: tuple[str, ...] = ()
    kinds = BOXES

    def __init__(self, files: Files, pattern: str | None, labels: str, tars: tar.TarMembers) -> None:
        self._files = files
        self._pattern = pattern
        self._labelled = labels == "folder"
        self._tars = tars

    def listing(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Give the files in no order."""
        return batches(self._rows(), batch_rows)

    def _rows(self) -> Iterator[Row]:
        for name, size, etag in matching(self._files, self._pattern):
            if name.endswith(tar.ENDING):
                folder = posixpath.dirname(name)
                for uri, member_size, member_etag in self._tars.listing(name, size, etag):
                    unpacked = posixpath.join(folder, unescape(uri.partition(INSIDE)[2]))
                    yield uri, member_size, member_etag, self._label(unpacked), None
            else:
                yield escape(name), size, etag, self._label(name), None

    def _label(self, name: str) -> str | None:
        first, slash, _ = name.partition("/")
        return legible(first) if self._labelled and slash and first not in ("", "..") else None


def matching(files: Files, pattern: str | None) -> Iterator[Found]:
    """Give the files below the root, or those of them that match a pattern."""
    if pattern is None:
        yield from files.walk()
        return
    hidden = any(part.startswith(".") for part in pattern.split("/"))
    depth = None if "**" in pattern else pattern.count("/") + 1
    matches = matcher(pattern)
    below = re.split(r"[*?\[]", pattern)[0]
    yield from (found for found in files.walk(hidden=hidden, depth=depth, below=below) if matches(found[0]))


def matcher(pattern: str) -> Callable[[str], Any]:
    """Give what a pattern matches. Raises ``RequestError`` where it is none."""
    from fsspec.utils import glob_translate

    try:
        return re.compile(glob_translate(pattern)).match
    except ValueError as error:
        raise RequestError(f"{pattern}: {error}") from error
