"""JPEG quality: files that were compressed too much."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from tasks.errors import Rejected
from tasks.image.sample import Sample
from tasks.operation import Check

BEST = 100
LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)  # ITU-T T.81, table K.1


class JpegQuality(Check):
    """Reject JPEG files that were compressed too much.

    The measure is the quality, 1 to 100, at which libjpeg's table for luma comes nearest to the file's own: exact for
    files of libjpeg, a fair guess for others. It is that of the last saving: an image that was saved badly before and
    well after shows by ``blockiness``. Files of other formats are not compressed by such a table and count as 100. A
    file below ``below`` is rejected (``low_jpeg_quality``). Any dtype.

    Source: ITU-T T.81 annex K; libjpeg ``jpeg_quality_scaling``; ImageMagick ``%Q``.
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy", "pillow")
    thresholds: ClassVar[frozenset[str]] = frozenset({"below"})
    example: ClassVar[Mapping[str, Any]] = {"below": 50}

    below: Annotated[int, Field(ge=1, le=BEST)]

    def examine(self, sample: Sample) -> dict[str, float]:
        if sample.file is None or sample.file.format != "jpeg":
            return {"": float(BEST)}
        with Image.open(io.BytesIO(sample.file.data), formats=["JPEG"]) as image:
            tables: Mapping[int, Any] = getattr(image, "quantization", {})
        return {"": float(_quality(np.array(tables[min(tables)])) if tables else BEST)}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        quality = measures[""]
        if quality >= self.below:
            return None
        message = f"JPEG quality {quality:.0f} is below {self.below}"
        return Rejected("low_jpeg_quality", message, step=self.name(), measure=quality, limit=float(self.below))


def _quality(table: NDArray[np.int64]) -> int:
    """Give the quality whose table (64 numbers, row by row) is nearest; the better of two that are as near."""
    qualities = np.arange(1, BEST + 1)
    scale = np.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    tables = np.clip((np.array(LUMA).reshape(1, 64) * scale[:, None] + 50) // 100, 1, 255)
    apart = np.abs(tables - table).sum(axis=1)
    return int(qualities[apart == apart.min()].max())
