"""Resample: pixels that are the same number of millimetres apart in every image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, Field

from tasks.errors import Rejected
from tasks.image.geometry import Matrix, Size
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Params, RandomGeometric, Ranged


def _both(value: Any) -> Any:
    return [value, value] if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Millimetres = Annotated[float, Field(gt=0)]
Spacing = Annotated[
    tuple[Millimetres, Millimetres],
    BeforeValidator(_both, json_schema_input_type=float | tuple[Millimetres, Millimetres]),
]


class Resample(Ranged, RandomGeometric):
    """Resize so that pixels are a given number of millimetres apart.

    ``spacing`` is [x, y] in millimetres, or one number for both. That of the source is what its DICOM file says
    (Pixel Spacing, else Imager Pixel Spacing), else ``of_source``; an image of which neither is known is rejected
    (``no_spacing``). It is the file's: put this before other steps that change the size. Sides are rounded to whole
    pixels, and are at least one. Areas are averaged where it shrinks, linear interpolation where it grows. Every dtype
    is kept. Boxes follow. The scale goes to the row's lineage.

    Source: ITK ``ResampleImageFilter``, MONAI ``Spacing``; DICOM PS3.3 C.7.6.2.1.
    """

    example: ClassVar[Mapping[str, Any]] = {"spacing": 0.5, "of_source": 0.7}

    spacing: Spacing
    of_source: Spacing | None = None

    def draw(self, rng: Generator, sample: Sample) -> Params:
        said = sample.file.spacing if sample.file is not None else None
        known = said or self.of_source
        if known is None:
            raise Rejected(
                "no_spacing", "the file does not say how far its pixels are apart; give `of_source`, in millimetres"
            )
        return {"scale": [before / after for before, after in zip(known, self.spacing, strict=True)]}

    def canvas(self, size: Size, **params: Any) -> Size:
        width, height = (max(1, round(side * scale)) for side, scale in zip(size, params["scale"], strict=True))
        return Size(width, height)

    def matrix(self, size: Size, **params: Any) -> Matrix:
        width, height = self.canvas(size, **params)
        return np.diag([width / size.width, height / size.height, 1.0])

    def fixed_size(self, size: Size | None) -> Size | None:
        return None
