"""WebDataset: tar archives of samples, each of which is a few neighbouring files with one name and many endings."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np

from tasks.formats.writer import About, Row, Writer, dumps, stem, suffix


class WebDataset(Writer):
    """One archive a shard: ``train-000000.tar`` and so on, as ``train-{000000..000007}.tar`` names them.

    A sample: ``NAME.cls`` (the label's number), ``NAME.STEP.npy`` (each vector), ``NAME.jpg``, ``NAME.json`` (all other
    columns, with names for label and categories), ``NAME.mask.png``.
    """

    def __init__(self, folder: Path, about: About) -> None:
        super().__init__(folder, about)
        self._counts: dict[str, int] = {}
        self._tar: tarfile.TarFile | None = None

    @classmethod
    def fits(cls, about: About) -> bool:
        """Say yes: a sample may be anything."""
        return True

    def shard(self, split: str) -> None:
        """Begin another archive."""
        self._end()
        number = self._counts.get(split, 0)
        self._counts[split] = number + 1
        path = self.folder / f"{split}-{number:06d}.tar"
        self._tar = tarfile.open(path, "x", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - it stays open for the rows

    def add(self, split: str, row: Row) -> None:
        """Write a sample's files in the order of their names."""
        name = stem(row)
        parts = {suffix(row["image"])[1:]: row["image"]["bytes"]} if row.get("image") else {}
        if row.get("label") is not None:
            parts["cls"] = str(row["label"]).encode()
        for vector in self.about.vectors:
            if row[vector] is not None:
                parts[f"{vector}.npy"] = _npy(row[vector])
        if row.get("mask"):
            parts["mask.png"] = row["mask"]["bytes"]
        parts["json"] = dumps(self.about.plain(row)).encode()
        assert self._tar is not None, "a shard was begun"
        for ending, data in sorted(parts.items()):
            member = tarfile.TarInfo(f"{name}.{ending}")
            member.size, member.mode = len(data), 0o444
            self._tar.addfile(member, io.BytesIO(data))

    def close(self) -> None:
        """End the last archive."""
        self._end()

    def _end(self) -> None:
        if self._tar is not None:
            self._tar.close()


def _npy(vector: np.ndarray) -> bytes:
    made = io.BytesIO()
    np.save(made, vector, allow_pickle=False)
    return made.getvalue()
