"""The pictures of the report: kept images and what augmentation made of them, from the shards' own bytes."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.report.statistics import Statistics
from tasks.store.keys import ID_DIGITS

SAMPLES = 48
SMALL, LARGE = 96, 160  # px, the longer side
QUALITY = 60
FAMILIES = 2  # sources whose copies are shown
COPIES = 24  # shown of each
ROWS = 16  # read at a time: what is held of images
BOX_COLORS = ((255, 196, 0), (0, 0, 0))  # a light line on a dark one is seen on any picture


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
    for output in statistics.outputs:
        names = statistics.schema(output).names
        if "image" in names or "pixels" in names:
            break
    else:
        return None
    teller = _Teller(statistics, output)
    families = list(islice(teller.families(), FAMILIES))
    return Gallery(output, teller.samples(), families, teller.stretched, teller.boxes)


class _Teller:
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
        """Give all rows where there are copies at all: a look at the numbers spares reading every image."""
        first = next(self.rows(columns=["copy"]), None)
        several = first is not None and any(row["copy"] for row in islice(self.rows(columns=["copy"]), 10 * SAMPLES))
        return self.rows() if several else iter(())

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

    def _picture(self, row: Mapping[str, Any], side: int, objects: Sequence[Mapping[str, Any]]) -> str | None:
        try:
            image, stretched = self._image(row, side)
        except (OSError, ValueError, TypeError, SyntaxError):  # Pillow raises SyntaxError on broken PNG
            return None
        self.stretched = self.stretched or stretched
        width, height = row.get("width") or image.width, row.get("height") or image.height
        image = image.convert("RGB")
        image.thumbnail((side, side))
        draw = ImageDraw.Draw(image)
        for one in objects:
            x, y, w, h = one["bbox"]
            across, down = image.width / width, image.height / height
            box = [x * across, y * down, max((x + w) * across, x * across), max((y + h) * down, y * down)]
            draw.rectangle(box, outline=BOX_COLORS[1], width=3)
            inner = [box[0] + 1, box[1] + 1, max(box[2] - 1, box[0] + 1), max(box[3] - 1, box[1] + 1)]
            draw.rectangle(inner, outline=BOX_COLORS[0])
        file = io.BytesIO()
        image.save(file, "WEBP", quality=QUALITY)
        return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()

    def _image(self, row: Mapping[str, Any], side: int) -> tuple[Image.Image, bool]:
        """Decode a row's pixels, and say whether values were stretched to what a screen shows."""
        if self.pixels == "pixels":
            values = np.asarray(row["pixels"], dtype=np.float32).reshape(self.shape)
            return Image.fromarray(_stretched(values)), True
        image = Image.open(io.BytesIO(row["image"]["bytes"]))
        image.draft("RGB", (2 * side, 2 * side))
        if image.mode.startswith("I") or image.mode == "F":
            return Image.fromarray(_stretched(np.asarray(image, dtype=np.float32)[:, :, None])), True
        image.load()
        return image, False


def _stretched(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Show any range: the least value black, the greatest white."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scaled = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) * (255 / (high - low) if high > low else 0)
    pixels = scaled.round().astype(np.uint8)
    return pixels if pixels.shape[2] == 3 else pixels[:, :, 0]


def _name(names: Sequence[str], number: int | None) -> str | None:
    return names[number] if number is not None and 0 <= number < len(names) else None


def _read(params: str | None) -> Any:
    try:
        return json.loads(params or "{}")
    except ValueError:
        return params
