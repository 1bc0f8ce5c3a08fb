"""Mosaic: four images on one canvas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np

from tasks.errors import Rejected
from tasks.image.geometry import Move, Size, scaling, translation
from tasks.image.mixing import Rectangle, assembled, joined, laid, mixture
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Mixing, Params, Range, SquareSize, within


class Mosaic(Mixing):
    """Lay four images into the quarters of one canvas.

    ``size`` is the canvas's [width, height] in pixels (a number is a square; nothing: the image's own). The point where
    the four meet is drawn in ``center``, a range of fractions of either side. Each image is resized to fill its part
    and cut to it about its middle; the image itself lies in a drawn part, the next three of its split in the others, in
    reading order. ``labels`` hold all classes by their shares of the canvas; ``label`` stays the image's own. Boxes and
    masks move with their images and are clipped, and visibility counts against the whole box. Every dtype is kept;
    integers are rounded.

    Source: Bochkovskiy et al. 2020, "YOLOv4: Optimal Speed and Accuracy of Object Detection"; Ultralytics and
    Albumentations ``Mosaic``.
    """

    example: ClassVar[Mapping[str, Any]] = {"size": [640, 640]}
    partners: ClassVar[int] = 3

    size: SquareSize | None = None
    center: Annotated[Range, within(0.1, 0.9)] = Range(0.3, 0.7)

    def fixed_size(self, size: Size | None) -> Size | None:
        wanted = self.size or size
        return wanted if self.p == 1 or wanted == size else None

    def draw(self, rng: Generator, sample: Sample) -> Params:
        canvas = self.size or sample.size
        if min(canvas) < 2:
            raise Rejected("too_small", f"a mosaic of {canvas.width} x {canvas.height} pixels has no four parts")
        x, y = (min(side - 1, max(1, round(float(rng.uniform(*self.center)) * side))) for side in canvas)
        return {"x": x, "y": y, "part": int(rng.integers(4))}

    def mix(self, sample: Sample, others: Sequence[Sample], **params: Any) -> Sample:
        canvas, x, y = self.size or sample.size, params["x"], params["y"]
        ends = [(left, top) for top in ((0, y), (y, canvas.height)) for left in ((0, x), (x, canvas.width))]
        parts = [Rectangle(left[0], top[0], left[1] - left[0], top[1] - top[0]) for left, top in ends]
        order = list(others)
        order.insert(params["part"], sample)
        filled = [_filling(one, Size(part.width, part.height)) for one, part in zip(order, parts, strict=True)]
        pixels = np.empty((canvas.height, canvas.width, sample.channels), sample.dtype)
        lying, dropped = [], []
        for one, part in zip(filled, parts, strict=True):
            pixels[part.part] = one.picture()
            targets, gone = laid(one, (part.x, part.y))
            lying.append(targets)
            dropped += gone
        whole = canvas.width * canvas.height
        shares = [(one, part.width * part.height / whole) for one, part in zip(order, parts, strict=True)]
        mask = assembled(canvas, list(zip(parts, lying, strict=True)))
        return mixture(sample, pixels, joined(lying, mask), dropped, shares)


def _filling(sample: Sample, part: Size) -> Sample:
    """Give the sample resized to fill a part, and cut to it about its middle."""
    scale = max(part.width / sample.size.width, part.height / sample.size.height)
    before, after = sample.size.center, part.center
    matrix = translation(*after) @ scaling(scale, scale) @ translation(-before[0], -before[1])
    return sample.moved(Move(matrix, part))
