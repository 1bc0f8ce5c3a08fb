"""Datasets to export and to read: small photographs with labels, and with all kinds of objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
from skimage import data

from tests.tasks.run.serial import serial

RECT = [20.0, 10, 60, 10, 60, 50, 20, 50]
SMALL = [80.0, 60, 90, 60, 90, 70]
NAMES = ["nose", "left_eye", "right_eye"]
POINTS = [40, 20, 2, 30, 25, 2, 0, 0, 0]


def photographs(folder: Path, *names: str) -> None:
    whole = data.astronaut()
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), whole[i * 50 : i * 50 + 80, 100:220])


def ran(
    folder: Path, source: str, steps: str = "[{resize: {size: [60, 40]}}]", outputs: str = "", name: str = "out"
) -> Path:
    """Run a pipeline whose file lies in ``folder``; give the dataset."""
    file = folder / f"{name}.yaml"
    file.write_text(f"version: 1\npipelines:\n  p:\n    source: {source}\n    steps: {steps}\n{outputs}")
    serial(file, "p", folder / name)
    return folder / name


def labelled(folder: Path) -> Path:
    """Eight photographs of two classes in two splits, with a copy each and a vector of 36 numbers."""
    photographs(folder / "photos", *(f"{name}/{i}.png" for i in range(4) for name in ("cat", "a dog")))
    steps = (
        "[split: {train: 0.6, test: 0.4}, resize: {size: [60, 40]}, hog: {cell: [20, 20], orientations: 9}, "
        "augment: {copies: 1, transforms: [hflip: {p: 1}]}]"
    )
    return ran(folder, "{path: photos}", steps)


def annotated(folder: Path, *parts: str, **more: Any) -> Path:
    """Three photographs with two objects each, of which ``parts`` (segmentation, keypoints, rbox) are said too.

    ``more`` is said of the category face.
    """
    photographs(folder / "coco", *(f"{i}.png" for i in range(3)))
    whole: list[dict[str, Any]] = [
        {"category_id": 1, "bbox": [20, 10, 70, 60], "segmentation": [RECT, SMALL], "keypoints": POINTS},
        {"category_id": 2, "bbox": [70, 50, 20, 20], "rbox": [80, 60, 20, 10, 30]},
    ]
    objects = [{name: one[name] for name in ("category_id", "bbox", *parts) if name in one} for one in whole]
    face = {"id": 1, "name": "face", **({"keypoints": NAMES} if "keypoints" in parts else {}), **more}
    value = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(3)],
        "annotations": [{"id": 10 * i + j, "image_id": i, **one} for i in range(2) for j, one in enumerate(objects)],
        "categories": [face, {"id": 2, "name": "a <b> & c"}],
    }
    (folder / "coco" / "annotations.json").write_text(json.dumps(value))
    return ran(folder, "{path: coco, format: coco}")


def masked(folder: Path) -> Path:
    """Two photographs, one of them with a mask."""
    photographs(folder / "photos", "0.png", "1.png")
    mask = np.zeros((80, 120), np.uint8)
    mask[5:25, 80:110] = 3
    cv2.imwrite(str(folder / "mask.png"), mask)
    (folder / "list.csv").write_text("uri,mask\nphotos/0.png,mask.png\nphotos/1.png,\n")
    return ran(folder, "{path: list.csv, mask_column: mask}")


def rows(dataset: Path, folder: str = "data") -> dict[str, dict[str, Any]]:
    """The rows by id, as Parquet holds them."""
    found = [row for path in sorted((dataset / folder).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return {row["id"]: row for row in found}
