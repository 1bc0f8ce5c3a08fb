"""A source: a folder, a manifest or what another format lays out, as a listing of images and a way to read each.

What is listed: every file below the root that is not hidden (no part of its path begins with a dot), whatever its
extension, and the members of every ``.tar`` (see ``tar``); a manifest's rows and nothing else; with ``coco``, the
folder's files without the annotations file; with the other formats, what their modules here say.
A file that turns out to be no image becomes a rejected row: nothing is skipped in silence. A folder below a local root
that is an imagemill dataset is no source: results may lie beside their images. At a URL its files are listed like any.

What the label is: with a folder or glob, the first folder below the root or within the archive there (none for files
at the root); with a manifest, ``label_column`` as it is written (``label`` where there is such a column); with
``coco``, ``voc`` and ``yolo``, none.

What the mask is: with a manifest, the file that ``mask_column`` names, of class indices (``masks`` says of which form).

``limits`` replace the decoder's own where they are given.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tasks.errors import RequestError
from tasks.image.targets import Kinds
from tasks.load import imagefolder, parquet_images, tar, voc, webdataset, yolo
from tasks.load.coco import Coco
from tasks.load.files import URL, Files, secrets, without_credentials
from tasks.load.folder import Folder, matcher, matching
from tasks.load.gathered import Found as Listed
from tasks.load.gathered import Gathered
from tasks.load.header import Limits
from tasks.load.listing import legible, unescape
from tasks.load.local import LocalFiles
from tasks.load.manifest import CsvTable, Manifest, ParquetTable
from tasks.load.metadata import Kind
from tasks.load.prepared import Prepared
from tasks.load.remote import RemoteFiles, fetch, filesystem, speaking

Format = Literal[
    "auto",
    "folder",
    "glob",
    "csv",
    "parquet",
    "coco",
    "imagefolder",
    "webdataset",
    "huggingface",
    "imagemill",
    "voc",
    "yolo",
]

_MANIFESTS: Final[dict[str, Format]] = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
_TABLES: Final = {"csv": CsvTable, "parquet": ParquetTable}


UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def _bytes(value: Any) -> Any:
    size = value
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*((?:[KMG]i?)?)B?", value.strip())
        size = round(float(match[1]) * UNITS[match[2]]) if match else 0
    if isinstance(size, (int, float)) and size <= 0:
        raise ValueError(f"expected a size such as 256MB, 1GB or 200MiB, got {value!r}")
    return size


Bytes = Annotated[int, BeforeValidator(_bytes, json_schema_input_type=int | str), Field(gt=0)]


class SourceLimits(BaseModel):
    """What one file may hold; nothing: as the decoder has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixels: int | None = Field(None, gt=0)
    bytes: Bytes | None = None
    frames: int | None = Field(None, gt=0)

    def limits(self) -> Limits:
        """Give the decoder's limits with these in place."""
        return Limits(**{name: value for name, value in self if value is not None})


class SourceSpec(BaseModel):
    """Where the images are and how they are listed: ``source`` of a pipeline file, its path absolute or a URL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1, description="a folder, a file, a pattern or a URL; relative to the pipeline file")
    format: Format = "auto"
    annotations: str | None = Field(
        None, min_length=1, description="the annotations' file (coco, yolo) or folder (voc), relative to `path`"
    )
    uri_column: str = "uri"
    label_column: str = "label"
    mask_column: str | None = Field(None, min_length=1, description="a manifest's column that names each image's mask")
    image_column: str | None = Field(None, min_length=1, description="the column of images, with huggingface")
    output: str | None = Field(None, min_length=1, description="the output of another dataset, with imagemill")
    labels: Literal["folder", "none"] = "folder"
    frames: Literal["first", "all"] = "first"
    metadata: tuple[Kind, ...] = Field((), description="what files say beside pixels that rows keep; else dropped")
    limits: SourceLimits = SourceLimits()
    storage_options: dict[str, Any] = Field({}, repr=False)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, without_credentials(value) if name == "path" else value


class Layout(Protocol):
    """How the images of a root are listed."""

    @property
    def columns(self) -> pa.Schema:
        """The manifest's columns."""
        ...

    @property
    def categories(self) -> tuple[str, ...]:
        """The boxes' categories."""
        ...

    @property
    def kinds(self) -> Kinds:
        """What targets there are beside boxes."""
        ...

    def listing(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Give the batches."""
        ...


class Members(Protocol):
    """The members of the containers below a root."""

    def read(self, uri: str, etag: str, limit: int) -> bytes | None:
        """Give a member's bytes; nothing where the URI names none."""
        ...


class Source:
    """An opened source. Opening is cheap, so each worker opens its own: a manifest is not read before it is listed."""

    def __init__(self, spec: SourceSpec, files: Files, layout: Layout, members: Members | None = None) -> None:
        self.root = legible(files.root)
        self._spec = spec
        self._files = files
        self._layout = layout
        self._members = members
        self._limit = spec.limits.limits().bytes

    @cached_property
    def columns(self) -> pa.Schema:
        """The manifest's columns beyond URI and label: string, int64, float64, bool, timestamp."""
        return self._layout.columns

    @cached_property
    def categories(self) -> list[str]:
        """The names of the boxes' categories in the order of their ids."""
        return list(self._layout.categories)

    @cached_property
    def kinds(self) -> Kinds:
        """What targets there are beside boxes."""
        return self._layout.kinds

    def listing(self, batch_rows: int = 8192) -> Iterator[pa.RecordBatch]:
        """Give ``LISTING`` and ``columns``, unsorted, a batch at a time."""
        return self._layout.listing(batch_rows)

    def read(self, uri: str, etag: str = "") -> bytes:
        """Give one source's bytes; ``etag``, as it was listed, spares a container's member the search for it.

        ``Rejected`` (``missing``, ``unreadable``, ``too_many_bytes``) is a verdict on this file. ``OSError`` is not:
        the disk, the network, the mount or the credentials failed, and trying again may help.
        """
        if self._members is not None and "://" not in uri:
            data = self._members.read(uri, etag, self._limit)
            if data is not None:
                return data
        if "://" not in uri:
            return self._files.read(unescape(uri), self._limit)
        if uri.startswith("file:///"):
            return LocalFiles("/").read(unescape(uri[len("file:///") :]), self._limit)
        options = _options(self._spec, uri)
        with speaking(uri, secrets(uri, options)):
            fs, path = filesystem(uri, options)
            return fetch(fs, path, uri, self._limit)


def open_source(spec: SourceSpec) -> Source:
    """Open a source; ``RequestError`` says what is wrong with it, and what to do."""
    remote = _is_url(spec.path)
    path = spec.path if remote else os.path.abspath(_local(spec.path))  # noqa: PTH100 - resolve() follows links
    format = _format(spec, path, remote)
    _refuse_unread(spec, format, without_credentials(path))
    if format in _TABLES:
        return _open_manifest(spec, format, path, remote)
    if format == "imagemill":
        return _open_prepared(spec, path, remote)
    folder, pattern = _place(path, format, remote)
    files: LocalFiles | RemoteFiles = RemoteFiles(folder, spec.storage_options) if remote else LocalFiles(folder)
    files.check()
    if pattern is not None:
        matcher(pattern)  # says what is wrong with it before anything is listed
    if format == "coco":
        return Source(spec, files, _coco(spec, files))
    if format in ("folder", "glob"):
        tars = tar.TarMembers(files)
        return Source(spec, files, Folder(files, pattern, spec.labels, tars), tars)
    return _open_gathered(spec, format, files, pattern)


_ONLY: Final[dict[str, tuple[str, ...]]] = {
    "annotations": ("coco", "voc", "yolo"),
    "mask_column": ("csv", "parquet"),
    "image_column": ("huggingface",),
    "output": ("imagemill",),
}


def _refuse_unread(spec: SourceSpec, format: str, place: str) -> None:
    """Refuse what this format would not read."""
    for name, formats in _ONLY.items():
        if getattr(spec, name) is not None and format not in formats:
            belong = "belong" if name.endswith("s") else "belongs"
            raise RequestError(f"{place}: {name} {belong} to format: {', '.join(formats)}, and this is {format}")


def _open_prepared(spec: SourceSpec, path: str, remote: bool) -> Source:
    files: LocalFiles | RemoteFiles = RemoteFiles(path, spec.storage_options) if remote else LocalFiles(path)
    files.check()
    made = Prepared(files, spec.output)
    labelled = spec.labels == "folder"
    return Source(spec, files, Gathered(files.root, made.rows, labelled, made.categories, made.kinds), made)


def _open_gathered(spec: SourceSpec, format: str, files: Files, pattern: str | None) -> Source:
    """Open what must be read to its end before its columns are known."""
    labelled = spec.labels == "folder"
    label = spec.label_column if labelled else None
    if format == "yolo":
        data = yolo.Yolo(files, spec.annotations or yolo.DATA)
        return Source(spec, files, Gathered(files.root, data.images, labelled, data.names, data.kinds))
    tars = tar.TarMembers(files)
    found: Callable[[], Iterator[Listed]] = {
        "webdataset": lambda: webdataset.samples(files, matching(files, pattern), tars),
        "huggingface": lambda: parquet_images.rows(
            files, matching(files, pattern), spec.image_column, label, "label_column" in spec.model_fields_set
        ),
        "voc": lambda: voc.images(files, spec.annotations or voc.ANNOTATIONS),
        "imagefolder": lambda: imagefolder.images(files, label),
    }[format]
    containers: dict[str, Members] = {"webdataset": tars, "huggingface": parquet_images.ParquetMembers(files)}
    return Source(spec, files, Gathered(files.root, found, labelled), containers.get(format))


def _open_manifest(spec: SourceSpec, format: str, path: str, remote: bool) -> Source:
    plain, mark, query = path.partition("?") if path.startswith("http") else (path, "", "")
    folder, _, name = plain.rpartition("/")
    files: Files = RemoteFiles(folder + mark + query, spec.storage_options) if remote else LocalFiles(folder or "/")
    table = _TABLES[format](lambda: files.open(name), without_credentials(path))
    asked = "label_column" in spec.model_fields_set or spec.label_column in table.names
    label = spec.label_column if asked and spec.labels == "folder" else None
    return Source(spec, files, Manifest(files, table, spec.uri_column, label, spec.mask_column))


def _coco(spec: SourceSpec, files: Files) -> Coco:
    place = spec.annotations or "annotations.json"
    title = f"{files.root}/{place}"
    own: str | None = None
    opened: Files = files
    name = place
    if _is_url(place):
        folder, _, name = place.rpartition("/")
        opened, title = RemoteFiles(folder, _options(spec, place)), without_credentials(place)
    elif (local := _local(place)).startswith("/") and isinstance(files, LocalFiles):
        opened, name, title = LocalFiles("/"), local[1:], local
        own = files.resolve(local)
    else:
        own = files.resolve(place)
        name = unescape(own)
    opened.open(name).close()
    return Coco(files, lambda: opened.open(name), title, own)


def _format(spec: SourceSpec, path: str, remote: bool) -> Format:
    if spec.format != "auto":
        return spec.format
    if not remote and Path(path).is_dir():
        return "coco" if spec.annotations is not None else "folder"
    plain = path.partition("?")[0] if path.startswith("http") else path
    if _wildcard(plain) and (remote or not os.path.lexists(path)):
        return "glob"
    manifest = _MANIFESTS.get(Path(plain).suffix.lower())
    if manifest is not None:
        return manifest
    return "coco" if spec.annotations is not None else "folder"


def _place(path: str, format: str, remote: bool) -> tuple[str, str | None]:
    """Give the folder and, for a pattern or for one container alone, what to match in it."""
    contained = {"folder": (tar.ENDING,), "webdataset": (".tar", ".gz", ".tgz"), "huggingface": (".parquet",)}
    if format == "glob" or (format in ("webdataset", "huggingface") and _wildcard(path) and not Path(path).exists()):
        return _split(path)
    if path.endswith(contained.get(format, ())) and (remote or Path(path).is_file()):
        folder, _, name = path.rpartition("/")
        return folder or "/", glob.escape(name)
    return path, None


def _split(path: str) -> tuple[str, str]:
    """Give the folder before the first part with a wildcard, and the pattern from there."""
    start = found.end() if (found := URL.match(path)) else 0
    parts = path[start:].split("/")
    first = next((i for i, part in enumerate(parts) if _wildcard(part)), None)
    if first is None:
        raise RequestError(f"{without_credentials(path)}: format: glob needs a wildcard, such as photos/**/*.jpg")
    return path[:start] + ("/".join(parts[:first]) or ("/" if not start else "")), "/".join(parts[first:])


def _wildcard(text: str) -> bool:
    return any(character in text for character in "*?[")


def _is_url(path: str) -> bool:
    found = URL.match(path)
    return "::" in path if found is None else found[1].lower() not in ("file", "local")


def _local(path: str) -> str:
    return path[found.end() :] if (found := URL.match(path)) else path


def _options(spec: SourceSpec, url: str) -> dict[str, Any]:
    """storage_options belong to the source's own protocol; a local manifest's to the URLs that it names."""
    home = URL.match(spec.path)
    there = URL.match(url)
    own = home is None or there is None or home[1].lower() in ("file", "local") or home[1] == there[1]
    return spec.storage_options if own else {}
