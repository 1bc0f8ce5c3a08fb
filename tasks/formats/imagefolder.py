"""An image folder as Hugging Face's ``imagefolder`` reads it: splits, classes, and a metadata file a split."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from tasks.formats.writer import About, Row, Writer, dumps, folder_of, stem, suffix


class ImageFolder(Writer):
    """``train/CLASS/NAME.jpg`` and ``train/metadata.jsonl``: a line an image, by ``file_name``, with all columns.

    Objects are lists by field, as the loader documents them; masks lie in ``train/masks`` and are named by
    ``mask_file_name``, which the loader makes images of.
    """

    def __init__(self, folder: Path, about: About) -> None:
        super().__init__(folder, about)
        self._metadata: dict[str, TextIO] = {}

    def add(self, split: str, row: Row) -> None:
        """Write the image, and its line."""
        label = self.about.label(row)
        image = row["image"]
        file_name = f"{folder_of(label)}/{stem(row)}" if label is not None else stem(row)
        file_name += suffix(image)
        self.write(f"{split}/{file_name}", image["bytes"])
        line: dict[str, Any] = {"file_name": file_name, **self.about.plain(row)}
        line |= {name: row[name] for name in self.about.vectors}
        if "objects" in line:
            fields = sorted(self.about.objects)
            line["objects"] = {name: [one[name] for one in line["objects"]] for name in fields}
        if self.about.masks:
            mask = row.get("mask")
            line["mask_file_name"] = f"masks/{stem(row)}.png" if mask else None
            if mask:
                self.write(f"{split}/{line['mask_file_name']}", mask["bytes"])
        if split not in self._metadata:
            self._metadata[split] = (self.folder / split / "metadata.jsonl").open("x", encoding="utf-8")
        self._metadata[split].write(dumps(line) + "\n")

    def close(self) -> None:
        """Close the metadata."""
        for file in self._metadata.values():
            file.close()
