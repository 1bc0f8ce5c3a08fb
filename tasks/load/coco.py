"""COCO's annotations: a JSON file of images, categories and objects, read as a stream.

An image file that the JSON does not name is a source without boxes; one that it names and that is missing is listed
(and rejected as ``missing`` when it is read). Boxes of crowds (``iscrowd``) are left out: they outline many objects at
once. What is wrong with one image's annotations stands as ``"problem"`` beside its boxes, and rejects that image alone:
a category that is not declared, a box that is not four finite numbers with width and height from 0 on, a segmentation
or key points of another form than ``instances`` says. What is wrong with the file is an error: unreadable JSON, an id
or a file name twice, a box of an image that is not declared.

Categories name their key points in ``keypoints``; all that do must name the same ones. A mirror exchanges ``pairs`` of
names where the category gives them (our extension; [] for none), else names that differ by left and right alone.
Skeletons, captions and panoptic segments are not read.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from array import array
from collections.abc import Callable, Iterator
from functools import cached_property
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import RequestError
from tasks.image.targets import Kinds
from tasks.load.files import URL, Files
from tasks.load.instances import PARTS, box_of, is_box, parts, point_names, short, sides
from tasks.load.listing import Row, batches, escape
from tasks.load.manifest import chunks, prefixes
from tasks.load.stream import STARTED, Reader
from tasks.operation import canonical_json

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

    @property
    def kinds(self) -> Kinds:
        """What the objects have beside boxes."""
        return self._annotated.kinds

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
    """What a COCO file says, held as arrays: about 80 bytes a box and an image; outlines and points in a file."""

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
        self._box_parts = array("q")  # where in the file of parts, -1: nowhere
        self._box_points = array("q")  # how many numbers its key points have
        self._parts_file: BinaryIO | None = None
        self._has: set[str] = set()
        self._named: dict[str, tuple[tuple[str, ...], tuple[tuple[int, int], ...] | None]] = {}  # key points and pairs
        self._faults: list[tuple[int, str]] = []  # image id, problem
        found: set[str] = set()
        reader = Reader(file, title)
        for part, value in reader.elements(_PARTS):
            if value is STARTED:
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
        self.kinds = self._kinds()
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
        points = value.get("keypoints")
        if points:
            if not isinstance(points, list) or len(set(map(str, points))) < len(points):
                raise reader.error(f"category {name!r}: its keypoints are no list of different names")
            self._named[name] = (
                tuple(map(str, points)),
                _paired(name, list(map(str, points)), value.get("pairs"), reader),
            )

    def _kinds(self) -> Kinds:
        named = list(self._named.items())
        other = next((name for name, about in named if about != named[0][1]), None)
        if other is not None:
            raise RequestError(
                f"{self._title}: the categories {named[0][0]!r} and {other!r} have different key points; rows have one "
                "list of them: give each its own annotations file"
            )
        names, pairs = named[0][1] if named else ((), None)
        if "keypoints" in self._has and not names:
            names = point_names(max(self._box_points) // 3)
        points = (names, pairs) if "keypoints" in self._has else ((), None)
        return Kinds("segmentation" in self._has, "rbox" in self._has, False, *points)

    def _annotation(self, value: dict[str, Any], reader: Reader) -> None:
        image = _code(value.get("image_id"), "an annotation's image", reader)
        box: Any = value.get("bbox")
        category, found = _NONE, dict[str, Any]()
        if value.get("iscrowd") in (None, 0, "0", False):
            try:
                found = parts(value)
                box = box_of(found["rbox"]) if box is None and "rbox" in found else box
                if not is_box(box):
                    raise ValueError(f"bbox {short(box)} is not [x, y, width, height]")
                category = _code(value.get("category_id"), "an annotation's category", reader)
            except ValueError as error:
                self._faults.append((image, f"annotation {value.get('id')!r}: {error}"))
        self._boxes.extend(map(float, box) if category != _NONE else (0.0, 0.0, 0.0, 0.0))
        self._box_category.append(category)
        self._box_image.append(image)
        self._box_parts.append(self._kept(found) if found and category != _NONE else -1)
        self._box_points.append(len(found.get("keypoints", ())))

    def _kept(self, found: dict[str, Any]) -> int:
        """Put what belongs to a box aside: on disk, since outlines take a hundred times the place of boxes."""
        self._has.update(found)
        if self._parts_file is None:
            self._parts_file = TemporaryFile()  # noqa: SIM115 - it lasts as long as this does
        at = self._parts_file.seek(0, 2)
        self._parts_file.write(json.dumps(found, separators=(",", ":"), allow_nan=False).encode() + b"\n")
        return at

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
        points = np.frombuffer(self._box_points, np.int64) if self._box_points else np.zeros(0, np.int64)
        expected = 3 * len(self.kinds.key_points)
        for at in np.flatnonzero((points != 0) & (points != expected)).tolist():
            problem = f"annotation number {at + 1}: {points[at] // 3} key points, where there are {expected // 3} names"
            self._problems.setdefault(int(image[at]), problem)
        kept = np.flatnonzero(category >= 0)
        order = kept[np.argsort(image[kept], kind="stable")]
        boxes = np.frombuffer(self._boxes, np.float64) if self._boxes else np.zeros(0)
        self._sorted_boxes = boxes.reshape(-1, 4)[order]
        self._sorted_categories = category[order]
        self._sorted_parts = np.array(self._box_parts, np.int64)[order]
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
        found = [self._parts(place) for place in self._sorted_parts[start:stop].tolist()]
        value |= {name: [one.get(name) for one in found] for name in PARTS if any(name in one for one in found)}
        if at in self._problems:
            value["problem"] = self._problems[at]
        return canonical_json(value)

    def _parts(self, place: int) -> dict[str, Any]:
        if place < 0 or self._parts_file is None:
            return {}
        self._parts_file.seek(place)
        return dict(json.loads(self._parts_file.readline()))


_NONE: Final = -(1 << 63)


def _code(value: Any, what: str, reader: Reader) -> int:
    """An id as an integer: text by its hash."""
    if isinstance(value, str):
        return int.from_bytes(hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)
    if isinstance(value, bool) or not isinstance(value, int) or not _NONE < value < 1 << 63:
        raise reader.error(f"{what}: id {short(value)} is neither a whole number nor text")
    return value


def _paired(category: str, names: list[str], pairs: Any, reader: Reader) -> tuple[tuple[int, int], ...] | None:
    """The numbers of the key points that a mirror exchanges: as the category says, else by their names."""
    if pairs is None:
        return sides(names)
    told = isinstance(pairs, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs)
    flat = [name for pair in pairs for name in pair] if told else []
    if not told or any(name not in names for name in flat) or len(set(flat)) < len(flat):
        raise reader.error(f"category {category!r}: its pairs are no list of [left, right] of its keypoints, each once")
    return tuple((names.index(left), names.index(right)) for left, right in pairs)


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _slices(values: pa.Array) -> Iterator[pa.Array]:
    return (values.slice(start, 65_536) for start in range(0, len(values), 65_536))


def _positions(ordered: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Where each wanted value stands in ordered ones; -1 where it does not."""
    if not len(ordered):
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, at, -1)
