"""The feature map: vectors of a sample of rows laid out in two dimensions, near each other where they are alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from tasks.report.pictures import data_uri
from tasks.report.samples import Teller, picture_output
from tasks.report.statistics import Statistics

POINTS = 1_000
TILE = 40  # px of a picture, the longer side: 1,000 of them in one WebP take 0.5 MB
QUALITY = 50
WIDTH, HEIGHT, MARGIN = 640, 420, 14  # px of the drawing
COLORS = 6  # classes with a colour of their own; the others share one
OTHERS = "others"


@dataclass(frozen=True)
class Dot:
    """One row: where it is drawn, which colour it has, what is told of it, its tile in the atlas (-1: none)."""

    x: float
    y: float
    color: int
    name: str
    group: str
    split: str
    tile: int


@dataclass(frozen=True)
class FeatureMap:
    """The drawing. ``shares`` are the parts of the variance that the two axes show; ``atlas`` holds all pictures."""

    column: str
    output: str
    components: int
    dots: list[Dot]
    groups: list[str]
    shares: tuple[float, float]
    atlas: str | None
    across: int
    rows: int

    @property
    def spoken(self) -> str:
        """What it says to those who do not see it."""
        counted = Counter(dot.group for dot in self.dots)
        groups = ", ".join(f"{name}: {counted[name]}" for name in self.groups)
        return f"Map of {len(self.dots)} rows by {self.column}, coloured by group. {groups}"


def feature_map(statistics: Statistics) -> FeatureMap | None:
    """Project the first feature column of the dataset by principal components; nothing without one, or below 3 rows."""
    found = next(_columns(statistics), None)
    if found is None:
        return None
    output, column, components = found
    rows, vectors = _read(statistics, output, column, components)
    if len(rows) < 3:
        return None
    places, shares = project(vectors)
    groups = _groups([row["group"] for row in rows])
    tiles, atlas, across = _atlas(statistics, [row["id"] for row in rows])
    x, y = _scaled(places[:, 0], WIDTH), HEIGHT - _scaled(places[:, 1], HEIGHT)
    dots = [
        Dot(
            round(float(x[i]), 1),
            round(float(y[i]), 1),
            groups.index(row["group"]) if row["group"] in groups else groups.index(OTHERS),
            row["name"],
            row["group"] if row["group"] in groups else OTHERS,
            row["split"],
            tiles.get(row["id"], -1),
        )
        for i, row in enumerate(rows)
    ]
    total = sum(statistics.counts["rows"].get(output, {}).values())
    return FeatureMap(column, output, components, dots, groups, shares, atlas, across, total)


def _columns(statistics: Statistics) -> Iterator[tuple[str, str, int]]:
    for output in statistics.outputs:
        for field in statistics.schema(output):
            if pa.types.is_fixed_size_list(field.type) and field.name != "pixels" and field.type.list_size > 1:
                yield output, field.name, field.type.list_size


def _read(
    statistics: Statistics, output: str, column: str, components: int
) -> tuple[list[dict[str, Any]], NDArray[np.float64]]:
    """Read the first rows of each split, in proportion; rows without a finite vector are left out."""
    names = statistics.version["classes"]
    there = statistics.schema(output).names
    columns = [name for name in ("id", "label", "split", "source") if name in there]
    counted = statistics.counts["rows"].get(output, {})
    total = max(sum(counted.values()), 1)
    left = {split: math.ceil(min(POINTS, total) * rows / total) for split, rows in counted.items()}
    rows: list[dict[str, Any]] = []
    vectors = [np.zeros((0, components))]
    for entry in statistics.files(output):
        split = entry["split"]
        if not left.get(split):
            continue
        for batch in statistics.open(entry).iter_batches(256, columns=[*columns, column]):
            batch = batch.slice(0, left[split])
            left[split] -= len(batch)
            batch = batch.filter(pc.is_valid(batch.column(column)))  # a feature's `where` may not name all rows
            vectors.append(batch.column(column).flatten().to_numpy(zero_copy_only=False).reshape(-1, components))
            rows += batch.select(columns).to_pylist()
            if not left[split]:
                break
    known = np.concatenate(vectors).astype(np.float64)
    told = [
        {
            "id": row["id"],
            "name": row["source"]["uri"],
            "split": row["split"],
            "group": names[row["label"]] if row.get("label") is not None else row["split"],
        }
        for row in rows
    ]
    whole = np.flatnonzero(np.isfinite(known).all(axis=1))[:POINTS]
    return [told[i] for i in whole.tolist()], known[whole]


def project(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Give the first two principal components of rows (N x D) as N x 2, and their shares of the variance.

    By the N x N products, whatever D is. The sign is that of the row farthest out, which makes it the same everywhere.
    """
    centred = vectors - vectors.mean(axis=0)
    products = centred @ centred.T
    last = len(products) - 1
    from scipy.linalg import eigh

    values, axes = eigh(products, subset_by_index=(last - 1, last))  # ascending, and only these two
    largest = np.clip(values[::-1], 0, None)
    places = axes[:, ::-1] * np.sqrt(largest)
    places *= np.where(places[np.abs(places).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    whole = float(np.trace(products)) or 1.0
    return places, (float(largest[0]) / whole, float(largest[1]) / whole)


def _groups(all_of: list[str]) -> list[str]:
    """Give the names that have a colour, the commonest first; what is left shares the last."""
    counted = Counter(all_of)
    common = sorted(counted, key=lambda name: (-counted[name], name))
    return common if len(common) <= COLORS else [*common[: COLORS - 1], OTHERS]


def _scaled(values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    low, high = float(values.min()), float(values.max())
    span = high - low or 1.0
    return MARGIN + (values - low) / span * (side - 2 * MARGIN)


def _atlas(statistics: Statistics, ids: list[str]) -> tuple[dict[str, int], str | None, int]:
    """Put the rows' pictures into one, tile by tile, and say where each lies."""
    output = picture_output(statistics)
    if output is None:
        return {}, None, 1
    across = math.ceil(math.sqrt(len(ids)))
    sheet = Image.new("RGB", (across * TILE, math.ceil(len(ids) / across) * TILE), (128, 128, 128))
    places: dict[str, int] = {}
    for row_id, picture in Teller(statistics, output).pictures(set(ids), TILE):
        place = len(places)
        places[row_id] = place
        x, y = place % across * TILE, place // across * TILE
        sheet.paste(picture, (x + (TILE - picture.width) // 2, y + (TILE - picture.height) // 2))
    return places, data_uri(sheet, QUALITY) if places else None, across
