"""Pascal VOC: an XML file an image, all images in one folder, splits as lists of names."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import escape

from PIL import Image

from tasks.formats.writer import About, Row, Writer, stem, suffix


class Voc(Writer):
    """``JPEGImages/NAME.jpg``, ``Annotations/NAME.xml``, ``ImageSets/Main/SPLIT.txt``, ``SegmentationClass/NAME.png``.

    Corners are VOC's: pixels counted from 1, both ends included, so that a box over a whole image is 1, 1, width,
    height. What is no whole number keeps its decimals. Polygons, key points and rotated boxes have no place.
    """

    describes = "objects or masks in images"

    def __init__(self, folder: Path, about: About) -> None:
        super().__init__(folder, about)
        self._lists: dict[str, TextIO] = {}

    @classmethod
    def fits(cls, about: About) -> bool:
        """Say whether there are objects or masks."""
        return about.images and (bool(about.objects) or about.masks)

    def add(self, split: str, row: Row) -> None:
        """Write the image, its XML, and its name into its split's list."""
        name, ending = stem(row), suffix(row["image"])
        self.write(f"JPEGImages/{name}{ending}", row["image"]["bytes"])
        self.write(f"Annotations/{name}.xml", self._xml(row, name + ending).encode())
        if row.get("mask"):
            self.write(f"SegmentationClass/{name}.png", row["mask"]["bytes"])
        if split not in self._lists:
            folder = self.folder / "ImageSets" / "Main"
            folder.mkdir(parents=True, exist_ok=True)
            self._lists[split] = (folder / f"{split}.txt").open("x", encoding="utf-8")
        self._lists[split].write(name + "\n")

    def _xml(self, row: Row, file_name: str) -> str:
        with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
            depth = len(image.getbands())
        objects = "".join(self._object(one) for one in row.get("objects") or [])
        return (
            f"<annotation>\n  <folder>JPEGImages</folder>\n  <filename>{escape(file_name)}</filename>\n"
            f"  <size><width>{row['width']}</width><height>{row['height']}</height><depth>{depth}</depth></size>\n"
            f"  <segmented>{int(bool(row.get('mask')))}</segmented>\n{objects}</annotation>\n"
        )

    def _object(self, one: Row) -> str:
        x, y, width, height = one["bbox"]
        corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
        box = "".join(f"<{name}>{_number(value)}</{name}>" for name, value in corners.items())
        return (
            f"  <object>\n    <name>{escape(self.about.category(one))}</name>\n    <pose>Unspecified</pose>\n"
            f"    <truncated>0</truncated>\n    <difficult>0</difficult>\n    <bndbox>{box}</bndbox>\n  </object>\n"
        )

    def close(self) -> None:
        """Close the lists."""
        for file in self._lists.values():
            file.close()


def _number(value: Any) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}".rstrip("0")
