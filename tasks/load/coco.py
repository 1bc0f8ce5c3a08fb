"""COCO's annotations: a JSON file of images, categories and boxes, read as a stream.

An image file that the JSON does not name is a source without boxes; one that it names and that is missing is listed
(and rejected as ``missing`` when it is read). Boxes of crowds (``iscrowd``) are left out: they outline many objects at
once. What is wrong with one image's annotations stands as ``"problem"`` beside its boxes, and rejects that image alone:
a category that is not declared, a box that is not four finite numbers with width and height from 0 on. What is wrong
with the file is an error: unreadable JSON, an id or a file name twice, a box of an image that is not declared.
"""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
from array import array
from collections.abc import Callable, Iterator
from functools import cached_property
from io import TextIOWrapper
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import RequestError
from tasks.load.files import URL, Files
from tasks.load.listing import Row, batches, escape
from tasks.load.manifest import chunks, prefixes

_CHUNK: Final = 1 << 20
_PARTS: Final = ("images", "annotations", "categories")
_FOLDER: Final = "images/"


class Coco:
    """The images of a folder, and what a COCO file says of them."""

    columns = pa.schema([])

    def __init__(self, files: Files, open_file: Callable[[], BinaryIO], title: str, own: str | None) -> None:
        """``own`` is the URI of the annotations file itself where it lies below the root: it is no source."""
        self._files = files
        self._open = open_file
        self._title = title
        self._own = own

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """All declared categories, by id."""
        return tuple(self._annotated.category_names)

    @cached_property
    def _annotated(self) -> Annotated:
        with self._open() as file:
            return Annotated(file, self._title, self._files)

    def listing(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Give the folder's files, then what the JSON names beyond them."""
        return batches(self._rows(), batch_rows)

    def _rows(self) -> Iterator[Row]:
        known = self._annotated
        seen = np.zeros(len(known.uris), bool)
        for found in chunks(self._files.walk(), 8192):
            uris = [escape(name) for name, _, _ in found]
            for uri, at, (_, size, etag) in zip(uris, known.find(uris), found, strict=True):
                if at >= 0:
                    seen[at] = True
                if uri != self._own:
                    yield uri, size, etag, None, known.annotations(at)
        for at in np.flatnonzero(~seen).tolist():
            uri = known.uris[at].as_py()
            yield uri, *self._look_up(uri), None, known.annotations(at)

    def _look_up(self, uri: str) -> tuple[int, str]:
        """A declared file that the walk passed by: hidden, outside the root, or missing."""
        if not self._files.has_index or uri.startswith(".") or "/." in uri:
            return self._files.stat_uri(uri)
        return -1, ""


class Annotated:
    """What a COCO file says, held as arrays: about 60 bytes a box and an image."""

    def __init__(self, file: BinaryIO, title: str, files: Files) -> None:
        self._title = title
        self._files = files
        names: dict[int, str] = {}
        self._image_ids = array("q")
        self._texts: list[pa.Array] = []
        texts: list[str] = []
        self._boxes = array("d")
        self._box_image = array("q")
        self._box_category = array("q")
        self._faults: list[tuple[int, str]] = []  # image id, problem
        found: set[str] = set()
        reader = Reader(file, title)
        for part, value in reader.elements(_PARTS):
            if value is _STARTED:
                found.add(part)
            elif not isinstance(value, dict):
                raise reader.error(f"{part}: expected objects, found {type(value).__name__}")
            elif part == "images":
                texts.append(self._image(value, reader))
                if len(texts) == 65_536:
                    self._texts.append(pa.array(texts, pa.string()))
                    texts.clear()
            elif part == "categories":
                self._category(value, names, reader)
            else:
                self._annotation(value, reader)
        self._texts.append(pa.array(texts, pa.string()))
        if missing := [part for part in _PARTS if part not in found]:
            raise RequestError(f"{title}: is not COCO's: it has no {', '.join(missing)}")
        self.category_names = [names[code] for code in sorted(names)]
        if twice := next((name for i, name in enumerate(self.category_names) if name in self.category_names[:i]), None):
            raise RequestError(
                f"{title}: two categories are called {twice!r}; boxes are known by their category's name"
            )
        self._place()
        self._join(sorted(names))

    def _image(self, value: dict[str, Any], reader: Reader) -> str:
        name = value.get("file_name")
        if not isinstance(name, str):
            raise reader.error(f"image {value.get('id')!r} has no file_name")
        self._image_ids.append(_code(value.get("id"), "image", reader))
        try:
            return self._files.resolve(name)
        except ValueError as error:
            raise reader.error(f"image {value.get('id')!r}: {error}") from error

    def _category(self, value: dict[str, Any], names: dict[int, str], reader: Reader) -> None:
        code, name = _code(value.get("id"), "category", reader), value.get("name")
        if not isinstance(name, str) or not name:
            raise reader.error(f"category {value.get('id')!r} has no name")
        if not _is_text(name):
            raise reader.error(f"category {value.get('id')!r}: its name is not Unicode text")
        if code in names:
            raise reader.error(f"two categories have the id {value.get('id')!r}")
        names[code] = name

    def _annotation(self, value: dict[str, Any], reader: Reader) -> None:
        image = _code(value.get("image_id"), "an annotation's image", reader)
        box: Any = value.get("bbox")
        category = _NONE
        if value.get("iscrowd") not in (None, 0, "0", False):
            pass
        elif _is_box(box):
            category = _code(value.get("category_id"), "an annotation's category", reader)
        else:
            problem = f"annotation {value.get('id')!r}: bbox {_short(box)} is not [x, y, width, height]"
            self._faults.append((image, problem))
        self._boxes.extend(map(float, box) if category != _NONE else (0.0, 0.0, 0.0, 0.0))
        self._box_category.append(category)
        self._box_image.append(image)

    def _place(self) -> None:
        """Settle the URIs: file names are relative to the root, or to its folder ``images`` where they lie there."""
        self.uris = pa.concat_arrays(self._texts)
        base = self._base()
        if base:
            moved = [text if URL.match(text) else posixpath.normpath(base + text) for text in self.uris.to_pylist()]
            self.uris = pa.array(moved, pa.string())
        hashes = np.concatenate([prefixes(part.to_pylist()) for part in _slices(self.uris)] or [np.zeros(0, np.uint64)])
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        for at in np.flatnonzero(self._hashes[1:] == self._hashes[:-1]).tolist():
            raise RequestError(
                f"{self._title}: two images have the file_name {self.uris[int(self._order[at])].as_py()!r}; "
                "give each image once"
            )

    def _base(self) -> str:
        """Look where the first of the declared files lie."""
        first = [uri for uri in self.uris.slice(0, 16).to_pylist() if not URL.match(uri) and not uri.startswith("../")]
        for base in ("", _FOLDER):
            if any(self._files.stat_uri(base + uri) != (-1, "") for uri in first):
                return base
        return ""

    def _join(self, category_codes: list[int]) -> None:
        """Sort the boxes by image, in the file's order within one."""
        ids = np.frombuffer(self._image_ids, np.int64) if self._image_ids else np.zeros(0, np.int64)
        by_id = np.argsort(ids, kind="stable")
        sorted_ids = ids[by_id]
        if (twice := np.flatnonzero(sorted_ids[1:] == sorted_ids[:-1])).size:
            pair = [self.uris[int(by_id[twice[0] + i])].as_py() for i in (0, 1)]
            raise RequestError(f"{self._title}: images {pair[0]!r} and {pair[1]!r} have the same id")
        wanted = np.frombuffer(self._box_image, np.int64) if self._box_image else np.zeros(0, np.int64)
        image = _positions(sorted_ids, wanted)
        if (lost := np.flatnonzero(image < 0)).size:
            raise RequestError(
                f"{self._title}: {lost.size} annotations belong to images that images[] does not declare (the first: "
                f"annotation number {int(lost[0]) + 1}, image_id {int(wanted[lost[0]])}); add the images, or remove "
                "the annotations"
            )
        image = by_id[image]
        codes = np.frombuffer(self._box_category, np.int64) if self._box_category else np.zeros(0, np.int64)
        category = _positions(np.array(category_codes, np.int64), codes)
        self._problems: dict[int, str] = {}
        faulty = by_id[_positions(sorted_ids, np.array([image_id for image_id, _ in self._faults], np.int64))]
        for at, (_, problem) in zip(faulty.tolist(), self._faults, strict=True):
            self._problems.setdefault(at, problem)
        for at in np.flatnonzero((category < 0) & (codes != _NONE)).tolist():
            problem = f"annotation number {at + 1}: category_id {int(codes[at])} is not declared in categories"
            self._problems.setdefault(int(image[at]), problem)
        kept = np.flatnonzero(category >= 0)
        order = kept[np.argsort(image[kept], kind="stable")]
        boxes = np.frombuffer(self._boxes, np.float64) if self._boxes else np.zeros(0)
        self._sorted_boxes = boxes.reshape(-1, 4)[order]
        self._sorted_categories = category[order]
        self._starts = np.searchsorted(image[order], np.arange(len(ids) + 1))

    def find(self, uris: list[str]) -> list[int]:
        """Give each URI's image, -1 where none is declared."""
        at = _positions(self._hashes, prefixes(uris))
        return [int(self._order[i]) if i >= 0 else -1 for i in at.tolist()]

    def annotations(self, at: int) -> str:
        """Give one image's annotations as canonical JSON."""
        start, stop = (int(self._starts[at]), int(self._starts[at + 1])) if at >= 0 else (0, 0)
        value: dict[str, Any] = {
            "boxes": self._sorted_boxes[start:stop].tolist(),
            "categories": [self.category_names[i] for i in self._sorted_categories[start:stop].tolist()],
        }
        if at in self._problems:
            value["problem"] = self._problems[at]
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Reader:
    """Walks a JSON object and gives the elements of its arrays one by one: the memory is one element's."""

    def __init__(self, file: BinaryIO, title: str) -> None:
        self._file = TextIOWrapper(file, "utf-8-sig", newline="\n")
        self._title = title
        self._text = ""
        self._at = 0
        self._line = 1
        self._column = 0  # characters of this line that are no longer in the text
        self._scan = json.JSONDecoder().raw_decode

    def elements(self, parts: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        """Give ``(part, element)`` for the arrays of these names, with ``_STARTED`` before the first element."""
        self._take("{")
        if self._peek() == "}":
            self._take("}")
        else:
            yield from self._members(parts)
        if self._peek():
            raise self.error("expected the end of the file")

    def _members(self, parts: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        while True:
            name = self._value()
            if not isinstance(name, str):
                raise self.error("expected a name in double quotes")
            self._take(":")
            if name not in parts:
                self._value()
            elif name in seen:
                raise self.error(f"{name!r} stands twice")
            else:
                seen.add(name)
                yield name, _STARTED
                yield from ((name, value) for value in self._elements())
            if self._take(",}") == "}":
                return

    def _elements(self) -> Iterator[Any]:
        self._take("[")
        if self._peek() == "]":
            self._take("]")
            return
        while True:
            yield self._value()
            if self._take(",]") == "]":
                return

    def error(self, message: str, at: int | None = None) -> RequestError:
        """Say what is wrong, and where."""
        at = self._at if at is None else at
        line = self._line + self._text.count("\n", 0, at)
        start = self._text.rfind("\n", 0, at)
        column = at - start if start >= 0 else self._column + at + 1
        return RequestError(f"{self._title}, line {line}, column {column}: {message}")

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self._text) - 64
                if not cut or not self._more():
                    raise self.error(error.msg, error.pos) from error
            except (RecursionError, ValueError) as error:
                raise self.error(f"cannot be read ({error})") from error
            else:
                if end + 8 < len(self._text) or not self._more():  # a number might go on: 1 of 1.5e-7
                    self._at = end
                    return value

    def _take(self, expected: str) -> str:
        found = self._peek()
        if not found or found not in expected:
            text = " or ".join(repr(character) for character in expected)
            raise self.error(f"expected {text}, found {repr(found) if found else 'the end of the file'}")
        self._at += 1
        return found

    def _peek(self) -> str:
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on, dropping what is done; at least as much as is kept, so that a long value costs no squares."""
        try:
            chunk = self._file.read(max(_CHUNK, len(self._text) - self._at))
        except UnicodeDecodeError as error:
            raise RequestError(f"{self._title}: is not UTF-8 ({error}); save it as UTF-8") from error
        if not chunk:
            return False
        lines = self._text.count("\n", 0, self._at)
        self._column = self._at - self._text.rfind("\n", 0, self._at) - 1 if lines else self._column + self._at
        self._line += lines
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return True


_STARTED: Final = object()
_NONE: Final = -(1 << 63)


def _code(value: Any, what: str, reader: Reader) -> int:
    """An id as an integer: text by its hash."""
    if isinstance(value, str):
        return int.from_bytes(hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)
    if isinstance(value, bool) or not isinstance(value, int) or not _NONE < value < 1 << 63:
        raise reader.error(f"{what}: id {_short(value)} is neither a whole number nor text")
    return value


def _is_box(box: Any) -> bool:
    if not isinstance(box, list) or len(box) != 4:
        return False
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in box):
        return False
    return all(abs(value) < 1e15 and math.isfinite(value) for value in box) and box[2] >= 0 and box[3] >= 0


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _short(value: Any) -> str:
    return repr(value)[:80]


def _slices(values: pa.Array) -> Iterator[pa.Array]:
    return (values.slice(start, 65_536) for start in range(0, len(values), 65_536))


def _positions(ordered: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Where each wanted value stands in ordered ones; -1 where it does not."""
    if not len(ordered):
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, at, -1)
