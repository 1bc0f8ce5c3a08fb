"""A dataset that imagemill made, as a source: the rows of one output of its newest version.

A source is a row, named ``images!/image/ID`` (output, column, id): the same in every version that holds the row, so a
new version of that dataset changes only what changed in it. The label, the objects and the mask come along; id, split
and copy as ``manifest_id`` and so on; the columns of its own manifest under their names. Measures, vectors, source and
lineage stay behind: they are found again by the id.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import PurePosixPath
from threading import Lock
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.errors import ImagemillError, Rejected, RequestError
from tasks.image.targets import Kinds
from tasks.load.containers import INSIDE, Held, stamp, unstamped
from tasks.load.files import HOUSE, MISSING, VERSION_FILE, Files
from tasks.load.gathered import Found, as_json
from tasks.load.objects import annotated, masked
from tasks.load.parquet_images import BATCH, RowGroups, checked, damage
from tasks.load.remote import RemoteFiles

_OWN: Final = ("id", "split", "copy")
_PREFIX: Final = 16  # digits of a file's SHA-256 in an etag


class Prepared:
    """One output of a dataset's newest version."""

    def __init__(self, files: Files, output: str | None) -> None:
        self._files = files
        self.version = self._newest()
        self.output = output or self.version["outputs"][0]
        if self.output not in self.version["outputs"]:
            there = ", ".join(self.version["outputs"])
            raise RequestError(f"{files.root}: no output {self.output!r}; there are {there}")
        self._objects = self._named()
        self._held: Held[str, RowGroups] = Held()
        self._lock = Lock()

    def _newest(self) -> Mapping[str, Any]:
        folder = f"{HOUSE}/versions/"
        names = (name.removeprefix(folder) for name, _, _ in self._files.walk(hidden=True, below=folder))
        versions = [name for name in names if VERSION_FILE.fullmatch(name)]
        if not versions:
            raise RequestError(f"{self._files.root}: no imagemill dataset (there is no committed version in it)")
        name = folder + max(versions, key=lambda name: int(PurePosixPath(name).stem))
        try:
            with self._files.open(name) as file:
                version: Mapping[str, Any] = json.loads(file.read())
        except ValueError as error:
            raise self._damaged(name, str(error)) from error
        return version

    @property
    def _entries(self) -> list[Mapping[str, Any]]:
        return [entry for entry in self.version["files"] if entry["output"] == self.output]

    def _named(self) -> dict[str, str]:
        """The files by the beginning of their hash, as etags name them."""
        return {entry["sha256"][:_PREFIX]: entry["object"] for entry in self._entries}

    @cached_property
    def _schema(self) -> pa.Schema:
        path = self._entries[0]["object"]
        with self._whole(path), self._file(path) as file:
            schema: pa.Schema = file.schema_arrow
        if "image" not in schema.names:
            raise RequestError(
                f"{self._files.root}: the output {self.output} holds no images; name another with output:"
            )
        return schema

    @cached_property
    def _carried(self) -> list[str]:
        own = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(self.version["columns"])))
        again = [f"manifest_{name}" for name in _OWN]  # of the dataset that this one was made from
        return [*_OWN, *(name for name in own.names if name not in again and name in self._schema.names)]

    def kinds(self, _: Kinds) -> Kinds:
        """What the version says of its targets."""
        return Kinds.read(self.version["kinds"])

    def categories(self) -> tuple[str, ...]:
        """The categories, in the version's order."""
        return tuple(self.version["categories"])

    def rows(self) -> Iterator[Found]:
        """Give a source a row, in the order of the files."""
        has = [name for name in ("objects", "mask", "label") if name in self._schema.names]
        columns = [*self._carried, *(name if name != "mask" else "mask.path" for name in has)]
        for entry in self._entries:
            row = 0
            with self._whole(entry["object"]), self._file(entry["object"]) as file:
                for batch in file.iter_batches(BATCH, columns=columns):
                    for said in batch.to_pylist():
                        yield self._found(said, stamp(entry["sha256"][:_PREFIX], row), has)
                        row += 1

    def _found(self, said: dict[str, Any], etag: str, has: list[str]) -> Found:
        place = f"{self.output}{INSIDE}{{}}/{said['id']}"
        targets = None
        if "objects" in has:
            names = self.version["categories"]
            targets = annotated([{**one, "category": names[one["category"]]} for one in said["objects"] or []])
        if said.get("mask"):
            targets = masked(targets, place.format("mask"), -1, etag)
        label = said.get("label")
        columns = {name: as_json(said[name]) for name in self._carried}
        named = None if label is None else self.version["classes"][label]
        return Found(place.format("image"), -1, etag, named, targets, columns)

    def read(self, uri: str, etag: str, limit: int) -> bytes | None:
        """Give a row's image or mask; ``etag`` says in which file it lies, else the id does."""
        column, _, id = uri.partition(INSIDE)[2].partition("/")
        sha256, row = unstamped(etag)
        with self._lock:
            path = self._objects.get(sha256)
            if path is None and sha256:  # listed since this one was opened, which may be long ago
                self.version = self._newest()
                self._objects = self._named()
                path = self._objects.get(sha256)
            if path is None or row is None:
                path, row = self._search(uri, id)
            with self._whole(path):
                data = self._held.get(path, lambda: self._opened(path)).image(column, row)
        return checked(uri, data, limit)

    def _opened(self, path: str) -> RowGroups:
        try:
            return RowGroups(self._file(path))
        except ImagemillError as error:
            raise OSError(errno.EIO, f"{error}; list it again by another run") from error

    def _file(self, path: str) -> pq.ParquetFile:
        return pq.ParquetFile(self._files.open(self._name(path)), page_checksum_verification=True)

    def _name(self, path: str) -> str:
        """Give where a file of the version lies: behind a URL there are no views of the objects."""
        return path.removeprefix("objects/") if isinstance(self._files, RemoteFiles) else f"{HOUSE}/{path}"

    @contextmanager
    def _whole(self, path: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            if (harm := damage(error)) is None:
                raise
            raise self._damaged(self._name(path), harm) from error

    def _damaged(self, name: str, harm: str) -> ImagemillError:
        root = self._files.root
        return ImagemillError(f"{root}/{name}: damaged ({harm}); `imagemill verify {root}` says more")

    def _search(self, uri: str, id: str) -> tuple[str, int]:
        for entry in self._entries:
            with self._whole(entry["object"]), self._file(entry["object"]) as file:
                ids = file.read(columns=["id"]).column("id")
            if (at := pc.index(ids, id).as_py()) >= 0:
                return entry["object"], at
        raise Rejected(MISSING, f"{uri}: the dataset's newest version holds no such row")
