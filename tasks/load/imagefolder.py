"""An image folder with metadata, as Hugging Face's ``imagefolder`` has it.

``metadata.jsonl`` and ``metadata.csv`` describe, by ``file_name``, the images of the folder they lie in; one folder has
one of them. ``label`` is the label, ``objects`` are boxes (see ``objects``), ``mask_file_name`` is a mask of class
indices, all else are columns. A file that no metadata names is listed too, with its folder's name as its label; one
that is named and missing is rejected. The first folder is the column ``manifest_split`` where it has a split's name.
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import numpy as np

from tasks.errors import RequestError
from tasks.load.files import Files
from tasks.load.gathered import Found
from tasks.load.listing import escape
from tasks.load.manifest import chunks, prefixes
from tasks.load.objects import annotated, masked

NAMES: Final = ("metadata.jsonl", "metadata.csv")
_SPLITS: Final = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d{1,2})?")


def images(files: Files, label: str | None) -> Iterator[Found]:
    """Give the images that metadata name, then the others.

    Raises ``RequestError`` with file and line where metadata cannot be read.
    """
    places = sorted(name for name, _, _ in files.walk() if name.rpartition("/")[2] in NAMES)
    seen = [np.zeros(0, np.uint64)]
    for place in places:
        for part in chunks(_described(files, place, label), 8192):
            masks = [one.annotations["mask"]["uri"] for one in part if one.annotations and "mask" in one.annotations]
            seen.append(prefixes([*(one.uri for one in part), *masks]))
            yield from part
    known = np.concatenate(seen)
    known.sort()
    for part in chunks(((name, size, etag) for name, size, etag in files.walk() if name not in places), 8192):
        hashes = prefixes([escape(name) for name, _, _ in part])
        at = np.searchsorted(known, hashes)
        described = (at < len(known)) & (known[np.minimum(at, len(known) - 1)] == hashes) if len(known) else at < 0
        for (name, size, etag), is_known in zip(part, described.tolist(), strict=True):
            if not is_known:
                parent = posixpath.basename(posixpath.dirname(name))
                named = parent if label is not None and parent and parent not in _SPLITS else None
                yield Found(escape(name), size, etag, named, None, _split(name))


def _described(files: Files, place: str, label: str | None) -> Iterator[Found]:
    title = f"{files.root}/{place}"
    folder = posixpath.dirname(place)
    with files.open(place) as file:
        for line, row in _lines(file, title):
            uri = _uri(files, folder, row.pop("file_name", None), f"{title}, line {line}: file_name")
            columns = {**_split(place), **row}
            said = annotated(columns.pop("objects")) if "objects" in columns else None
            mask = columns.pop("mask_file_name", None)
            if mask:
                mask_uri = _uri(files, folder, mask, f"{title}, line {line}: mask_file_name")
                said = masked(said, mask_uri, *files.stat_uri(mask_uri))
            named = columns.pop(label, None) if label is not None else None
            yield Found(uri, *files.stat_uri(uri), None if named is None else str(named), said, columns)


def _uri(files: Files, folder: str, name: Any, where: str) -> str:
    try:
        if not isinstance(name, str) or not name:
            raise ValueError(f"expected a path below this folder, found {name!r}")
        return files.resolve(posixpath.join(folder, name))
    except ValueError as error:
        raise RequestError(f"{where}: {error}") from error


def _lines(file: BinaryIO, title: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give each line's number and what it says."""
    line = 0
    try:
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        if title.endswith(".csv"):
            reader = csv.DictReader(text)
            for row in reader:
                line = reader.line_num
                yield line, {name: _value(value) for name, value in row.items() if name is not None}
            return
        for line, written in enumerate(text, 1):
            if written.strip():
                value = json.loads(written)
                if not isinstance(value, dict):
                    raise ValueError(f"expected an object, found {type(value).__name__}")
                yield line, value
    except (ValueError, csv.Error) as error:
        raise RequestError(f"{title}, line {line}: cannot be read ({error})") from error


def _value(text: Any) -> Any:
    """Give what a CSV's text is: a number where it reads as one, nothing where it is empty."""
    if not isinstance(text, str) or not text:
        return None
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    return float(text) if match[2] or match[3] else int(text)


def _split(name: str) -> dict[str, str]:
    first, slash, _ = name.partition("/")
    return {"split": _SPLITS[first]} if slash and first in _SPLITS else {}
