"""YOLO: a text file an image, a line an object, in fractions of the image; ``data.yaml`` names classes and splits."""

from __future__ import annotations

import json

from tasks.formats.writer import About, Row, Writer, stem, suffix
from tasks.image.places import corners, quad

_KEYS = {"validation": "val"}


class Yolo(Writer):
    """``images/train/NAME.jpg``, ``labels/train/NAME.txt`` and ``data.yaml``, as Ultralytics reads them.

    A line is ``class x y width height`` (the center, in fractions). A YOLO dataset holds one kind of object, so with
    key points a line goes on with ``x y visibility`` each; else with rotated boxes it is ``class`` and four corners;
    else with polygons ``class x1 y1 x2 y2 ...``, parts joined by bridges of no width. A float has six decimals.
    """

    describes = "objects in images (images with labels alone: --to imagefolder, which YOLO's classifiers read)"

    @classmethod
    def fits(cls, about: About) -> bool:
        """Say whether there are objects."""
        return about.images and bool(about.objects)

    def add(self, split: str, row: Row) -> None:
        """Write the image and its lines; an image without objects has an empty file."""
        name = stem(row)
        self.write(f"images/{split}/{name}{suffix(row['image'])}", row["image"]["bytes"])
        sides = (row["width"], row["height"])
        lines = [f"{one['category']} {self._place(one, sides)}\n" for one in row["objects"] or []]
        self.write(f"labels/{split}/{name}.txt", "".join(lines).encode())
        if row.get("mask"):
            self.write(f"masks/{split}/{name}.png", row["mask"]["bytes"])

    def _place(self, one: Row, sides: tuple[int, int]) -> str:
        x, y, width, height = one["bbox"]
        box = [x + width / 2, y + height / 2, width, height]
        if self.about.key_points:
            points = "".join(
                f" {_fractions([x + 0.5 * (v > 0), y + 0.5 * (v > 0)], sides)} {v:g}" for x, y, v in one["keypoints"]
            )
            return _fractions(box, sides) + points
        if "rbox" in self.about.objects:
            return _fractions(quad(one["rbox"]).reshape(-1).tolist(), sides)
        if "segmentation" in self.about.objects:
            whole = corners(x, y, width, height).reshape(-1).tolist()
            return _fractions(_joined(one["segmentation"] or [whole]), sides)
        return _fractions(box, sides)

    def close(self) -> None:
        """Write ``data.yaml``: JSON's strings are YAML's."""
        lines = ["path: ."]
        lines += [f"{_KEYS.get(split, split)}: images/{split}" for split in self.about.splits]
        if self.about.key_points:
            lines.append(f"kpt_shape: [{len(self.about.key_points)}, 3]")
            if self.about.pairs is not None:
                lines.append(f"flip_idx: {json.dumps(self._mirrored(self.about.pairs))}")
        lines += [f"nc: {len(self.about.categories)}", "names:"]
        lines += [f"  {i}: {json.dumps(name, ensure_ascii=False)}" for i, name in enumerate(self.about.categories)]
        self.write("data.yaml", ("\n".join(lines) + "\n").encode())

    def _mirrored(self, pairs: tuple[tuple[int, int], ...]) -> list[int]:
        order = list(range(len(self.about.key_points)))
        for left, right in pairs:
            order[left], order[right] = right, left
        return order


def _joined(parts: list[list[float]]) -> list[float]:
    """Give one outline of several: each is walked around, and the bridges between them are walked there and back."""
    if len(parts) == 1:
        return parts[0]
    there = [value for part in parts for value in (*part, *part[:2])]
    return there + [value for part in parts[-2:0:-1] for value in part[:2]]


def _fractions(values: list[float], sides: tuple[int, int]) -> str:
    return " ".join(f"{value / sides[i % 2]:.6f}" for i, value in enumerate(values))
