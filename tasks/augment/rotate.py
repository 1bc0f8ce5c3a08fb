"""Rotate: by a drawn angle."""

from __future__ import annotations

import math
from typing import Any, Literal

from tasks.image.geometry import WHOLE, Matrix, Size, rotation, translation
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Fraction, Params, RandomGeometric, Range


class Rotate(RandomGeometric):
    """Rotate about the center.

    The angle is drawn uniformly from ``degrees`` (counter-clockwise as displayed). ``expand``: ``keep`` keeps the size
    and cuts the corners off; ``fit`` grows the canvas to hold them; ``crop`` cuts the largest box that shows no fill.
    Corners that open are filled with ``fill``, a fraction of the value range (that of the step before in its fused
    group, else 0). Every dtype is kept. Boxes become the bounds of their rotated corners.

    Source: scikit-image ``transform.rotate`` (same sign and center convention).
    """

    degrees: Range = Range(-15, 15)
    expand: Literal["keep", "fit", "crop"] = "keep"
    fill: Fraction | None = None

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {"degrees": float(rng.uniform(*self.degrees))}

    def canvas(self, size: Size, **params: Any) -> Size:
        if self.expand == "keep":
            return size
        width, height = size
        s, c = abs(math.sin(math.radians(params["degrees"]))), abs(math.cos(math.radians(params["degrees"])))
        if self.expand == "fit":
            return Size(math.ceil(width * c + height * s - WHOLE), math.ceil(width * s + height * c - WHOLE))
        return _inscribed(width, height, s, c)

    def fixed_size(self, size: Size | None) -> Size | None:
        return size if self.expand == "keep" else None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        x, y = self.canvas(size, **params).center
        return translation(x, y) @ rotation(params["degrees"]) @ translation(-size.width / 2, -size.height / 2)


def _inscribed(width: int, height: int, s: float, c: float) -> Size:
    """Give the largest box along the axes inside a turned one: its corners touch two sides, or all four."""
    long, short = max(width, height), min(width, height)
    if short <= 2 * s * c * long or abs(s - c) < WHOLE:
        half = short / 2
        across, down = (half / s, half / c) if width >= height else (half / c, half / s)
    else:
        double = c * c - s * s
        across, down = (width * c - height * s) / double, (height * c - width * s) / double
    return Size(max(1, math.floor(across + WHOLE)), max(1, math.floor(down + WHOLE)))
