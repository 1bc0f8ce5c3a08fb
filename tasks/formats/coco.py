"""COCO: a folder of images a split, and ``annotations/instances_SPLIT.json``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, TextIO

from tasks.formats.writer import About, Row, Writer, dumps, stem, suffix


class Coco(Writer):
    """``train/NAME.jpg`` and ``annotations/instances_train.json``; ids count from 1 in the rows' order.

    Rotated boxes stand as ``rbox``, pairs of key points as the category's ``pairs``, the label as the image's
    ``label``: extensions that other readers pass by. Masks of class indices lie in ``masks/train``.
    """

    describes = "objects in images"

    def __init__(self, folder: Path, about: About) -> None:
        super().__init__(folder, about)
        self._splits: dict[str, _Split] = {}

    @classmethod
    def fits(cls, about: About) -> bool:
        """Say whether there are objects."""
        return about.images and bool(about.objects)

    def add(self, split: str, row: Row) -> None:
        """Write the image and what is said of it."""
        if split not in self._splits:
            (self.folder / "annotations").mkdir(exist_ok=True)
            self._splits[split] = _Split(self.folder / "annotations" / f"instances_{split}.json")
        name = stem(row) + suffix(row["image"])
        self.write(f"{split}/{name}", row["image"]["bytes"])
        if row.get("mask"):
            self.write(f"masks/{split}/{stem(row)}.png", row["mask"]["bytes"])
        image = {"file_name": name, "width": row["width"], "height": row["height"], "imagemill_id": row["id"]}
        label = self.about.label(row)
        self._splits[split].add(
            image if label is None else {**image, "label": label}, map(self._object, row["objects"] or [])
        )

    def _object(self, one: Row) -> dict[str, Any]:
        box = one["bbox"]
        polygons = one.get("segmentation") or []
        area = one["area"] if "area" in one else box[2] * box[3]
        made: dict[str, Any] = {"category_id": one["category"] + 1, "bbox": box, "area": area, "iscrowd": 0}
        made["segmentation"] = polygons
        if self.about.key_points:
            made["keypoints"] = [value for point in one["keypoints"] for value in point]
            made["num_keypoints"] = sum(point[2] > 0 for point in one["keypoints"])
        if "rbox" in one:
            made["rbox"] = one["rbox"]
        return made

    def close(self) -> None:
        """Put the parts of each file together."""
        categories = [self._category(i, name) for i, name in enumerate(self.about.categories, 1)]
        for split in self._splits.values():
            split.close(self.about.info, categories)

    def _category(self, number: int, name: str) -> dict[str, Any]:
        made: dict[str, Any] = {"id": number, "name": name, "supercategory": ""}
        if self.about.key_points:
            points = self.about.key_points
            made |= {"keypoints": points, "skeleton": []}
            if self.about.pairs is not None:
                made["pairs"] = [[points[left], points[right]] for left, right in self.about.pairs]
        return made


class _Split:
    """One file, whose two long lists grow side by side until they are joined."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._images = path.open("x", encoding="utf-8")
        self._annotations = path.with_suffix(".annotations").open("x+", encoding="utf-8")
        self._image_id = self._annotation_id = 0

    def add(self, image: dict[str, Any], objects: Any) -> None:
        """Add an image and its objects."""
        self._image_id += 1
        self._list(self._images, '{"images":[\n' if self._image_id == 1 else ",\n", {"id": self._image_id, **image})
        for one in objects:
            self._annotation_id += 1
            ids = {"id": self._annotation_id, "image_id": self._image_id}
            self._list(self._annotations, ",\n" if self._annotation_id > 1 else "", {**ids, **one})

    def _list(self, file: TextIO, before: str, value: dict[str, Any]) -> None:
        file.write(before + dumps(value))

    def close(self, info: Any, categories: list[dict[str, Any]]) -> None:
        """Write the categories, then the annotations."""
        with self._images as file, self._annotations as annotations:
            file.write(f'\n],\n"info":{dumps(info)},\n"licenses":[],\n"categories":{dumps(categories)},')
            file.write('\n"annotations":[\n')
            annotations.seek(0)
            shutil.copyfileobj(annotations, file)
            file.write("\n]}\n")
        self._path.with_suffix(".annotations").unlink()
