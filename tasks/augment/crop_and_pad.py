"""Crop and pad: each side a little in or out."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from tasks.image.geometry import Matrix, Size, scaling, translation
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Fraction, Params, RandomGeometric, Range, within


class CropAndPad(RandomGeometric):
    """Cut from each side, or pad it.

    For each side ``share`` of the width or height is drawn (-0.45 to 1; a number, or [low, high]): below 0 cuts, above
    0 pads with ``fill``, a fraction of the value range (that of the step before in its fused group, else 0), in whole
    pixels. The result is resized back to the image's size, by one resampling. Every dtype is kept. Boxes move with the
    pixels and are clipped.

    Source: imgaug ``CropAndPad``, Albumentations ``CropAndPad`` (``percent``, ``keep_size``).
    """

    shorthand: ClassVar[str | None] = "share"

    share: Annotated[Range, within(-0.45, 1)] = Range(-0.1, 0.1)
    fill: Fraction | None = None

    def draw(self, rng: Generator, sample: Sample) -> Params:
        width, height = sample.size
        names = {"left": width, "top": height, "right": width, "bottom": height}
        return {name: int(side * rng.uniform(*self.share)) for name, side in names.items()}

    def matrix(self, size: Size, **params: Any) -> Matrix:
        across = size.width + params["left"] + params["right"]
        down = size.height + params["top"] + params["bottom"]
        return scaling(size.width / across, size.height / down) @ translation(params["left"], params["top"])
