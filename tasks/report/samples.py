"""The pictures of the report: kept images and what augmentation made of them, from the shards' own bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from tasks.report.pictures import Marks, data_uri, fitted, marked, visible
from tasks.report.statistics import Statistics
from tasks.store.keys import ID_DIGITS, bounds

SAMPLES = 48
SMALL, LARGE = 96, 160  # px, the longer side
FAMILIES = 2  # sources whose copies are shown
COPIES = 24  # shown of each
SCANNED = 10_000  # rows that are searched for copies, where these are rare
ROWS = 16  # read at a time: what is held of images


@dataclass(frozen=True)
class Sample:
    """A row that is shown: its picture as a data URI (nothing where it cannot be decoded), and what is told of it."""

    id: str
    picture: str | None
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What a person calls it: its source."""
        return str(self.about["source"].get("uri") or self.id)


@dataclass(frozen=True)
class Family:
    """A source's rows: the original, where it was kept, and its copies."""

    uri: str
    rows: list[Sample]
    hidden: int


@dataclass(frozen=True)
class Gallery:
    """What is shown of one output."""

    output: str
    samples: list[Sample]
    families: list[Family]
    stretched: bool
    boxes: bool


def gallery(statistics: Statistics) -> Gallery | None:
    """Gather samples of the first output that holds pictures, each split in proportion, or nothing without any."""
    output = picture_output(statistics)
    if output is None:
        return None
    teller = Teller(statistics, output)
    families = list(islice(teller.families(), FAMILIES))
    return Gallery(output, teller.samples(), families, teller.stretched, teller.boxes)


def picture_output(statistics: Statistics) -> str | None:
    """Give the first output that holds pictures, if there is one."""
    holding = (name for name in statistics.outputs if {"image", "pixels"} & set(statistics.schema(name).names))
    return next(holding, None)


class Teller:
    """Reads an output's rows, first leaves first, and tells what the page says of each."""

    def __init__(self, statistics: Statistics, output: str) -> None:
        self.statistics = statistics
        self.output = output
        self.files = statistics.files(output)
        schema = statistics.schema(output)
        self.pixels = "image" if "image" in schema.names else "pixels"
        shape = (schema.field("pixels").metadata or {}).get(b"shape") if self.pixels == "pixels" else None
        self.shape: list[int] = json.loads(shape) if shape else []
        vectors = {f.name for f in schema if pa.types.is_fixed_size_list(f.type) and f.name != "pixels"}
        self.columns = [name for name in schema.names if name not in vectors]
        self.measures = [field.name for field in schema if field.type == pa.float64()]
        self.boxes = "objects" in schema.names
        self.stretched = self.pixels == "pixels"

    def samples(self) -> list[Sample]:
        """Give samples of every split, in proportion to its rows; what a split cannot fill goes to smaller ones."""
        counted = self.statistics.counts["rows"].get(self.output, {})
        rows = {split: counted[split] for split in self.statistics.splits if counted.get(split)}
        by_split: dict[str, list[Sample]] = {split: [] for split in rows}
        places, left = SAMPLES, sum(rows.values())
        for split in sorted(rows, key=lambda name: -rows[name]):
            share = max(1, round(places * rows[split] / left))
            by_split[split] = [self.sample(row, SMALL) for row in self.originals(split, share)]
            places, left = places - len(by_split[split]), left - rows[split]
        return [sample for samples in by_split.values() for sample in samples]

    def rows(self, split: str | None = None, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Give the rows of one split, or of all, a few held at a time."""
        for entry in self.files:
            if split in (None, entry["split"]) and entry["rows"]:
                for batch in self.statistics.open(entry).iter_batches(ROWS, columns=columns or self.columns):
                    yield from batch.to_pylist()

    def originals(self, split: str, most: int) -> Iterator[dict[str, Any]]:
        """Give the first row of each source in a split."""
        head = None
        found = 0
        for row in self.rows(split):
            if found == most:
                return
            if row["id"][:ID_DIGITS] != head:
                head = row["id"][:ID_DIGITS]
                found += 1
                yield row

    def families(self) -> Iterator[Family]:
        """Give the rows of each source that has several."""
        held: list[dict[str, Any]] = []
        hidden = 0
        for row in self._until_copies():
            if held and row["id"][:ID_DIGITS] != held[0]["id"][:ID_DIGITS]:
                if len(held) > 1:
                    yield self._family(held, hidden)
                held, hidden = [], 0
            if len(held) < COPIES and (row["copy"] or 0) < COPIES:
                held.append(row)
            else:
                hidden += 1
        if len(held) > 1:
            yield self._family(held, hidden)

    def _until_copies(self) -> Iterator[dict[str, Any]]:
        """Give the first rows where there are copies at all: a look at the numbers spares reading every image."""
        first = next(self.rows(columns=["copy"]), None)
        several = first is not None and any(row["copy"] for row in islice(self.rows(columns=["copy"]), 10 * SAMPLES))
        return islice(self.rows(), SCANNED) if several else iter(())

    def _family(self, rows: Sequence[Mapping[str, Any]], hidden: int) -> Family:
        samples = sorted((self.sample(row, LARGE) for row in rows), key=lambda s: (s.about["copy"], s.id))
        return Family(samples[0].name, samples, hidden)

    def sample(self, row: Mapping[str, Any], side: int) -> Sample:
        """Make a row's thumbnail, and gather what the page tells of it."""
        classes, categories = self.statistics.version["classes"], self.statistics.version["categories"]
        objects = row.get("objects") or []
        label = row.get("label")
        lineage = [{**step, "params": _read(step["params"])} for step in row.get("lineage") or []]
        about = {
            "id": row["id"],
            "split": row["split"],
            "copy": row["copy"] or 0,
            "label": _name(classes, label),
            "size": [row.get("width"), row.get("height")],
            "source": row.get("source") or {},
            "measures": {name: row[name] for name in self.measures if row[name] is not None},
            "objects": [{"category": _name(categories, one["category"]), "bbox": one["bbox"]} for one in objects],
            "lineage": lineage,
        }
        return Sample(row["id"], self._picture(row, side, objects), about)

    def pictures(self, wanted: set[str], side: int) -> Iterator[tuple[str, Image.Image]]:
        """Give the pictures of some rows; each split is read as far as they reach."""
        last = max(wanted, default="")
        for entry in self.files:
            if not entry["rows"] or not wanted or bounds(entry["prefix"])[0] > last:
                continue
            for batch in self.statistics.open(entry).iter_batches(ROWS, columns=["id", self.pixels]):
                ids = batch.column("id").to_pylist()
                if ids[0] > last:
                    break
                for i in (i for i, one in enumerate(ids) if one in wanted):
                    row = batch.slice(i, 1).to_pylist()[0]
                    wanted = wanted - {row["id"]}
                    picture = self._small(row, side)
                    if picture is not None:
                        yield row["id"], picture[0]

    def _picture(self, row: Mapping[str, Any], side: int, objects: Sequence[Mapping[str, Any]]) -> str | None:
        found = self._small(row, side)
        if found is None:
            return None
        image, size = found
        width, height = row.get("width") or size[0], row.get("height") or size[1]
        marks = Marks([one["bbox"] for one in objects])
        return data_uri(marked(image, marks, (image.width / width, image.height / height)))

    def _small(self, row: Mapping[str, Any], side: int) -> tuple[Image.Image, tuple[int, int]] | None:
        """Give a row's thumbnail and the size it was made from; nothing where its bytes cannot be decoded."""
        try:
            image, stretched = self._image(row, side)
        except (OSError, ValueError, TypeError, SyntaxError):  # Pillow raises SyntaxError on broken PNG
            return None
        self.stretched = self.stretched or stretched
        return fitted(image, side), image.size

    def _image(self, row: Mapping[str, Any], side: int) -> tuple[Image.Image, bool]:
        """Decode a row's pixels, and say whether values were stretched to what a screen shows."""
        if self.pixels == "pixels":
            return visible(np.asarray(row["pixels"], dtype=np.float32).reshape(self.shape))
        image = Image.open(io.BytesIO(row["image"]["bytes"]))
        image.draft("RGB", (2 * side, 2 * side))
        if image.mode.startswith("I") or image.mode == "F":
            return visible(np.asarray(image, dtype=np.float32)[:, :, None])
        return image.convert("RGB"), False


def _name(names: Sequence[str], number: int | None) -> str | None:
    return names[number] if number is not None and 0 <= number < len(names) else None


def _read(params: str | None) -> Any:
    try:
        return json.loads(params or "{}")
    except ValueError:
        return params
