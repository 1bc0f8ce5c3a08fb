"""Pad: more pixels around every image."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from tasks.image.geometry import Matrix, Size, translation
from tasks.operation import SquareSize
from tasks.standardize.placed import Placed, offset

Pixels = Annotated[int, Field(ge=0, le=65_535)]


class Margins(NamedTuple):
    """``[left, top, right, bottom]`` in pixels."""

    left: Pixels
    top: Pixels
    right: Pixels
    bottom: Pixels


def _margins(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return [value] * 4
    return [*value, *value] if isinstance(value, (list, tuple)) and len(value) == 2 else value


class Pad(Placed):
    """Add pixels around the image.

    ``padding`` in pixels is a number for every side, [x, y], or [left, top, right, bottom]. ``size``, [width, height]
    (a number is a square), is the least that the result has: a smaller image is padded to it too, and placed there by
    ``position``; in the center round(d / 2 - 0.1) pixels come first. ``border``: ``constant`` fills with ``fill``, a
    fraction of the value range; ``reflect`` mirrors without repeating the edge; ``replicate`` repeats the edge. Pixels
    of every dtype are copied, never resampled; boxes move with them, and borders never make copies of boxes.

    Source: torchvision ``Pad`` (``padding``), Albumentations ``PadIfNeeded`` and MONAI ``SpatialPad`` (``size``).
    """

    padding: Annotated[
        Margins,
        BeforeValidator(_margins, json_schema_input_type=int | tuple[int, int] | tuple[int, int, int, int]),
    ] = Margins(0, 0, 0, 0)
    size: SquareSize | None = None

    def canvas(self, size: Size, **params: Any) -> Size:
        width, height = self._padded(size)
        return Size(max(width, self.size.width), max(height, self.size.height)) if self.size else Size(width, height)

    def matrix(self, size: Size, **params: Any) -> Matrix:
        canvas, padded = self.canvas(size), self._padded(size)
        left = self.padding.left + offset(canvas.width - padded.width, self.position, "left")
        return translation(left, self.padding.top + offset(canvas.height - padded.height, self.position, "top"))

    def _padded(self, size: Size) -> Size:
        left, top, right, bottom = self.padding
        return Size(size.width + left + right, size.height + top + bottom)
