"""Small datasets made by hand: the schema is a real pipeline's, the rows are invented, the files are real."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from tasks.load.listing import key
from tasks.pipeline.graph import Graph, build
from tasks.pipeline.spec import read
from tasks.store import writer
from tasks.store.keys import row_id
from tasks.store.local import Store
from tasks.store.schema import REJECTED, Contents, measures_schema, schemas

PIPELINE = """
version: 1
pipelines:
  tiny:
    description: Photographs -> small shards
    source: {path: images}
    steps:
      - screen: {blurry: {below: 0.62}, dark: {below: 0.32}, min_size: [64, 64]}
      - deduplicate: {method: exact}
      - split: {train: 0.8, validation: 0.1, test: 0.1}
      - resize: {size: [64, 48]}
      - convert_color: {space: rgb}
      - convert_dtype: {dtype: uint8}
        id: square
      - augment: {copies: 2, transforms: [hflip: {p: 0.5}]}
        id: augmented
        where: {split: train}
      - hog: {orientations: 9, cell: [16, 16], block: [2, 2]}
        id: descriptors
        needs: square
    outputs:
      images: {from: augmented}
      features: {from: descriptors}
"""
TENSORS = """
version: 1
pipelines:
  tensors:
    source: {path: images}
    steps:
      - resize: {size: [32, 24]}
      - grayscale
      - normalize: {method: unit}
"""
FEATURES = """
version: 1
pipelines:
  vectors:
    source: {path: images}
    steps:
      - resize: {size: [64, 64]}
      - grayscale
      - hog: {orientations: 9, cell: [16, 16], block: [2, 2]}
"""


@dataclass(frozen=True)
class Kept:
    """An image that is kept: what it is called, its class, its split, and where the file names say so a partition."""

    uri: str
    label: str | None = None
    split: str = "train"
    boxes: Sequence[tuple[Sequence[float], str]] = ()
    partition: str | None = None
    size: tuple[int, int] = (320, 240)


@dataclass(frozen=True)
class Lost:
    """An image that is rejected."""

    uri: str
    reason: str = "blurry"
    step: str = "screen"
    message: str = "blur score 0.31 is below 0.62"
    measure: float | None = 0.31
    limit: float | None = 0.62
    keeper: str | None = None
    label: str | None = None


@dataclass
class Builder:
    """Writes versions of one dataset below ``root``."""

    root: Path
    pipeline: str = PIPELINE
    classes: Sequence[str] = ()
    categories: Sequence[str] = ()
    columns: pa.Schema = field(default_factory=lambda: pa.schema([]))
    copies: int = 2

    @property
    def graph(self) -> Graph:
        self.root.parent.mkdir(parents=True, exist_ok=True)
        file = self.root.parent / f"{self.root.name}.yaml"
        file.write_text(self.pipeline)
        found = read(file)
        return build(found.pipeline(found.names[0]))

    @property
    def contents(self) -> Contents:
        return Contents(tuple(self.classes), tuple(self.categories), bool(self.categories), self.columns)

    @property
    def schemas(self) -> Mapping[str, pa.Schema]:
        return schemas(self.graph, self.contents)

    def version(
        self, kept: Sequence[Kept], lost: Sequence[Lost] = (), created: str = "2026-11-24T09:00:00+00:00"
    ) -> dict[str, Any]:
        """Write, commit and show a version with these images."""
        store, graph = Store(self.root), self.graph
        files: list[dict[str, Any]] = []
        for output in graph.outputs:
            for split, partition in sorted({(one.split, one.partition or "") for one in kept}) or [("train", "")]:
                chosen = [one for one in kept if (one.split, one.partition or "") == (split, partition)]
                rows = [row for one in chosen for row in self._rows(graph, output.name, one)]
                folder = "data" if output is graph.outputs[0] else output.name
                stem = "-".join([split, *([partition] if partition else []), "all"])
                entry = self._file(store, f"objects/{folder}", stem, self.schemas[output.name], rows, "id")
                about = {"output": output.name, "split": split, "partition": partition or None, "prefix": "all"}
                files.append({**entry, **about, "digest": "", "path": entry["object"].removeprefix("objects/")})
        rejected = self._file(store, "objects/rejected", "all", REJECTED, [_lost(one) for one in lost], "id")
        measures = self._file(
            store, "measures", "all", measures_schema(graph), [*self._measures(graph, kept, lost)], "key"
        )
        number = max(store.versions(), default=0) + 1
        rows_of: dict[str, dict[str, int]] = {output.name: {} for output in graph.outputs}
        for file in files:
            by_split = rows_of[file["output"]]
            by_split[file["split"]] = by_split.get(file["split"], 0) + file["rows"]
        reasons = sorted({one.reason for one in lost})
        version = {
            "format": 1,
            "version": number,
            "parent": number - 1 or None,
            "created": created,
            "run_id": "00000000-0000-0000-0000-000000000000",
            "name": graph.spec.name,
            "pipeline": graph.spec.frozen,
            "folder": str(self.root.parent),
            "source": "/somewhere/images",
            "source_path": "/somewhere/images",
            "columns": self.columns.serialize().to_pybytes().hex(),
            "outputs": [output.name for output in graph.outputs],
            "classes": list(self.classes),
            "categories": list(self.categories),
            "boxes": bool(self.categories),
            "fingerprints": {},
            "platform": {},
            "counts": {
                "listed": len(kept) + len(lost),
                "kept": len(kept),
                "rejected": len(lost),
                "reasons": {reason: sum(one.reason == reason for one in lost) for reason in reasons},
                "rows": rows_of,
            },
            "files": sorted(files, key=lambda entry: entry["path"]),
            "rejected": [{**rejected, "path": rejected["object"].removeprefix("objects/")}],
            "measures": [measures],
            "decisions": [],
        }
        store.commit(version)
        store.show(version)
        return store.version(number)

    def _file(
        self, store: Store, folder: str, stem: str, schema: pa.Schema, rows: Iterable[dict[str, Any]], sorted_by: str
    ) -> dict[str, Any]:
        table = pa.Table.from_pylist(list(rows), schema).sort_by(sorted_by).combine_chunks()
        temporary = store.temporary()
        written = writer.write(temporary, schema, table.to_batches(), table.num_rows, sorted_by)
        name = f"{folder}/{stem}-{written.sha256[:16]}.parquet"
        store.publish(temporary, name, written.sha256)
        return {"prefix": stem, "object": name, "rows": written.rows, "bytes": written.bytes, "sha256": written.sha256}

    def _rows(self, graph: Graph, output: str, one: Kept) -> Iterable[dict[str, Any]]:
        schema = self.schemas[output]
        head = row_id(key(one.uri))
        copies = self.copies if one.split == "train" and "augmented" in graph.nodes and "image" in schema.names else 0
        sha256 = hashlib.sha256(one.uri.encode()).hexdigest()
        measured = _measured(one.uri, kept=True)
        lineage = [{"step": "resize", "operation": "resize", "params": "{}"}]
        for copy in range(copies + 1):
            done = [
                *lineage,
                *([{"step": "augmented/hflip", "operation": "hflip", "params": '{"n":1}'}] if copy else []),
            ]
            objects = [{"bbox": box, "category": self.categories.index(name)} for box, name in one.boxes]
            whole = {
                **{name: measured.get(name, 0.5) for name in schema.names if schema.field(name).type == pa.float64()},
                "id": head + (f".augmented:{copy}" if copy else ""),
                "split": one.split,
                "copy": copy,
                "label": self.classes.index(one.label) if one.label is not None else None,
                "width": 64,
                "height": 48,
                "source": {"uri": one.uri, "sha256": sha256, "bytes": 4321, "frame": 0},
                "lineage": done,
                "objects": objects,
            }
            row = {name: value for name, value in whole.items() if name in schema.names}
            if "image" in schema.names:
                row["image"] = {"bytes": picture(one.uri, copy), "path": Path(one.uri).name}
            for vector in schema:
                if pa.types.is_fixed_size_list(vector.type):
                    row[vector.name] = np.linspace(-3, 3, vector.type.list_size, dtype=np.float32).tolist()
            yield row

    def _measures(self, graph: Graph, kept: Sequence[Kept], lost: Sequence[Lost]) -> Iterable[dict[str, Any]]:
        names = measures_schema(graph).names
        for one in (*kept, *lost):
            size = one.size if isinstance(one, Kept) else (200, 100)
            row = {
                **_measured(one.uri, kept=isinstance(one, Kept)),
                "key": key(one.uri),
                "frame": 0,
                "bytes": 4321,
                "sha256": hashlib.sha256(one.uri.encode()).digest(),
                "width": size[0],
                "height": size[1],
                "min_size_width": float(size[0]),
                "min_size_height": float(size[1]),
                "rows": [1] * len(graph.outputs),
            }
            yield {name: value for name, value in row.items() if name in names}


def _measured(uri: str, *, kept: bool) -> dict[str, float]:
    share = key(uri)[0] / 255
    return {"blurry": 0.62 + 0.38 * share if kept else 0.61 * share, "dark": 0.32 + 0.6 * share}


def _lost(one: Lost) -> dict[str, Any]:
    about = {name: getattr(one, name) for name in ("uri", "step", "reason", "message", "measure", "limit", "keeper")}
    sha256 = hashlib.sha256(one.uri.encode()).hexdigest()
    return {
        **about,
        "id": row_id(key(one.uri)),
        "frame": 0,
        "label": one.label,
        "split": "train",
        "sha256": sha256,
        "bytes": 99,
    }


def picture(uri: str, copy: int = 0) -> bytes:
    """A JPEG that differs by name and copy."""
    seed = int.from_bytes(key(uri)[:4], "big")
    x, y = np.meshgrid(np.arange(64), np.arange(48))
    waves = np.sin(x / (3 + seed % 7)) * np.cos(y / (3 + seed % 5))
    pixels = np.stack([waves * 90 + 128, x * 3 + seed % 60, y * 4 + copy * 20], axis=2).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def usual(root: Path, images: int = 40) -> tuple[Builder, dict[str, Any]]:
    """A dataset of two classes in three splits, with rejections of two reasons."""
    builder = Builder(root, classes=("cat", "dog"))
    kept = [
        Kept(
            f"{'cat' if i % 3 else 'dog'}/{i:04d}.jpg",
            "cat" if i % 3 else "dog",
            _split(i),
            size=(300 + i, 200 + i * 3),
        )
        for i in range(images - images // 8)
    ]
    lost = [Lost(f"bad/{i}.jpg") for i in range(images // 8 - 1)]
    lost.append(
        Lost("copy.jpg", "duplicate", "deduplicate", "the same bytes as cat/0001.jpg", 0.0, 0.0, keeper="cat/0001.jpg")
    )
    return builder, builder.version(kept, lost)


def _split(i: int) -> str:
    return {8: "validation", 9: "test"}.get(i % 10, "train")
