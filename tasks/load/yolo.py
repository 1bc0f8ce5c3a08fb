"""YOLO: ``data.yaml`` names classes and images, and beside each image's folder ``images`` lies one called ``labels``.

A line of ``labels/train/x.txt`` is ``class x y width height`` in fractions of ``images/train/x.jpg`` (the center), or
``class`` and an outline ``x1 y1 x2 y2 ...`` of three corners or more; with ``kpt_shape`` in ``data.yaml`` key points
follow the box. An image without a text file, or with an empty one, has no objects. Another line rejects its image, with
file and line. What ``train``, ``val`` and ``test`` name is the column ``manifest_split`` where the image lies below it.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.errors import Rejected, RequestError
from tasks.image.targets import Kinds
from tasks.load.files import MISSING, Files
from tasks.load.gathered import Found
from tasks.load.instances import point_names
from tasks.load.listing import escape

DATA: Final = "data.yaml"
_SPLITS: Final = {"train": "train", "val": "validation", "test": "test"}
_LIMIT: Final = 16 << 20


class Yolo:
    """The images of a YOLO dataset and their objects."""

    def __init__(self, files: Files, place: str) -> None:
        self._files = files
        self._place = place
        self._title = f"{files.root}/{place}"

    @cached_property
    def _data(self) -> Mapping[str, Any]:
        try:
            with self._files.open(self._place) as file:
                loaded = YAML(typ="safe").load(file.read(_LIMIT))
        except (YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            raise RequestError(f"{self._title}{line}: is no YAML ({getattr(error, 'problem', error)})") from error
        if not isinstance(loaded, dict) or not isinstance(loaded.get("names"), (list, dict)):
            raise RequestError(f"{self._title}: is not YOLO's: it has no list of names")
        return loaded

    @cached_property
    def _names(self) -> dict[int, str]:
        names = self._data["names"]
        numbered = dict(enumerate(names)) if isinstance(names, list) else names
        if not all(isinstance(number, int) and str(name) for number, name in numbered.items()):
            raise RequestError(f"{self._title}: names: expected names by number, such as 0: cat")
        return {number: str(name) for number, name in sorted(numbered.items())}

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """How many key points an object has, and how many numbers each (2 or 3)."""
        shape = self._data.get("kpt_shape") or [0, 3]
        told = isinstance(shape, list) and len(shape) == 2 and all(isinstance(n, int) for n in shape)
        if not told or shape[1] not in (2, 3):
            raise RequestError(f"{self._title}: kpt_shape: expected [number of key points, 2 or 3], found {shape}")
        return shape[0], shape[1]

    def names(self) -> tuple[str, ...]:
        """The declared classes by number."""
        return tuple(dict.fromkeys(self._names.values()))

    def kinds(self, found: Kinds) -> Kinds:
        """Name the key points, and the pairs that a mirror exchanges."""
        count, _ = self._shape
        order = self._data.get("flip_idx")
        told = isinstance(order, list) and sorted(map(str, order)) == sorted(map(str, range(count)))
        pairs = tuple((i, j) for i, j in enumerate(order) if i < j) if told and order else None
        return replace(found, key_points=point_names(count), pairs=pairs)

    def images(self) -> Iterator[Found]:
        """Give the images: all files below a folder ``images``, or that the splits name; text files go with them."""
        splits = [(name, prefix) for name in _SPLITS for prefix in self._prefixes(name)]
        for name, size, etag in self._files.walk():
            split = next((_SPLITS[one] for one, prefix in splits if name.startswith(prefix)), None)
            if split is None and not f"/{name}".rpartition("/images/")[1]:
                continue
            if name.endswith((".txt", ".cache")):
                continue
            columns = {"split": split} if splits else {}
            yield Found(escape(name), size, etag, None, self._said(name), columns)

    def _prefixes(self, split: str) -> list[str]:
        """Give the folders of a split, relative to the root; lists of files name no folder."""
        said = self._data.get(split)
        base = str(self._data.get("path") or "")
        found = []
        for one in said if isinstance(said, list) else [said]:
            if isinstance(one, str) and not one.endswith(".txt"):
                place = one if base in ("", ".") or base.startswith("/") else posixpath.join(base, one)
                found.append(posixpath.normpath(place).removeprefix("../") + "/")
        return found

    def _said(self, name: str) -> dict[str, Any]:
        head, inside, tail = f"/{name}".rpartition("/images/")
        place = (head + "/labels/" + tail if inside else f"/{name}")[1:]
        place = posixpath.splitext(place)[0] + ".txt"
        made: dict[str, Any] = {"boxes": [], "categories": [], "relative": True}
        try:
            text = self._files.read(place, _LIMIT).decode()
        except Rejected as rejected:
            return made if rejected.reason == MISSING else {**made, "problem": rejected.message}
        except UnicodeDecodeError as error:
            return {**made, "problem": f"{escape(place)}: is no text ({error})"}
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    self._line(line.split(), made)
                except ValueError as error:
                    return {**made, "problem": f"{escape(place)}, line {number}: {error}"}
        if not any(made.get("segmentation", ())):
            made.pop("segmentation", None)
        return made

    def _line(self, words: list[str], made: dict[str, Any]) -> None:
        number, values = int(words[0]), [float(word) for word in words[1:]]
        if number not in self._names:
            raise ValueError(f"class {number} is not among the names")
        if not all(math.isfinite(value) and abs(value) < 1e6 for value in values):
            raise ValueError("expected fractions of the image")
        outline: list[list[float]] | None = None
        points: list[float] | None = None
        count, step = self._shape
        if count and len(values) == 4 + count * step:
            points = _key_points(values[4:], step)
        elif len(values) >= 6 and len(values) % 2 == 0:
            outline = [values]
        elif len(values) != 4:
            raise ValueError(f"expected a class and 4 numbers, or an outline, found {len(values)} numbers")
        made["boxes"].append(_bounds(values) if outline else _box(values[:4]))
        made["categories"].append(self._names[number])
        if count:
            made.setdefault("keypoints", []).append(points)
        else:
            made.setdefault("segmentation", []).append(outline)


def _key_points(values: list[float], step: int) -> list[float]:
    made: list[float] = []
    for i in range(0, len(values), step):
        x, y = values[i : i + 2]
        seen = values[i + 2] if step == 3 else 2 * ((x, y) != (0, 0))
        if seen not in (0, 1, 2):
            raise ValueError(f"visibility {seen:g} is not 0, 1 or 2")
        made += [x, y, int(seen)] if seen else [0.0, 0.0, 0]
    return made


def _box(values: list[float]) -> list[float]:
    x, y, width, height = values
    if width < 0 or height < 0:
        raise ValueError("width and height are negative")
    return [x - width / 2, y - height / 2, width, height]


def _bounds(values: list[float]) -> list[float]:
    left, top = min(values[::2]), min(values[1::2])
    return [left, top, max(values[::2]) - left, max(values[1::2]) - top]
