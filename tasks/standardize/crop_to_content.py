"""Crop to content: without the empty border."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field

from tasks.image.geometry import Matrix, Size, translation
from tasks.image.randomness import Generator
from tasks.image.render import value_range
from tasks.image.sample import Pixels, Sample
from tasks.operation import Fraction, Params, RandomGeometric, Ranged


class CropToContent(Ranged, RandomGeometric):
    """Cut off the border that shows nothing.

    Content is what differs from the background by more than ``threshold``, a fraction of the value range, in any
    channel. ``background``: ``dark`` (0), ``light`` (1), or the median of the four ``corners``, channel by channel.
    The smallest box around all content is kept, with ``margin`` pixels around it where the image has them; an image
    without content stays whole. The box goes to the row's lineage. Pixels of every dtype are copied, never resampled;
    boxes are clipped.

    Source: MONAI ``CropForeground`` (``background: dark``), ImageMagick ``-trim -fuzz`` (corners).
    """

    exact: ClassVar[bool] = True

    background: Literal["corners", "dark", "light"] = "corners"
    threshold: Fraction = 0.05
    margin: Annotated[int, Field(ge=0, le=65_535)] = 0

    def draw(self, rng: Generator, sample: Sample) -> Params:
        pixels = sample.picture()
        height, width = pixels.shape[:2]
        x, y, w, h = cv2.boundingRect(self._content(pixels))
        if not w:
            return {"box": [0, 0, width, height]}
        left, top = max(0, x - self.margin), max(0, y - self.margin)
        return {"box": [left, top, min(width, x + w + self.margin) - left, min(height, y + h + self.margin) - top]}

    def canvas(self, size: Size, **params: Any) -> Size:
        return Size(*params["box"][2:])

    def fixed_size(self, size: Size | None) -> Size | None:
        return None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        x, y = params["box"][:2]
        return translation(-x, -y)

    def _content(self, pixels: Pixels) -> Pixels:
        whole = value_range(pixels.dtype)
        background: Any = 0.0 if self.background == "dark" else whole
        if self.background == "corners":
            background = np.median(pixels[:: max(1, len(pixels) - 1), :: max(1, pixels.shape[1] - 1)], axis=(0, 1))
        low, high = background - self.threshold * whole, background + self.threshold * whole
        if pixels.dtype.kind == "u":
            low, high = np.ceil(np.maximum(low, 0)), np.floor(np.minimum(high, whole))
        return np.asarray(cv2.bitwise_not(cv2.inRange(pixels, _scalar(low), _scalar(high))))


def _scalar(value: Any) -> tuple[float, ...]:
    """Give a number, or one a channel, as OpenCV takes it: four of them."""
    return tuple(np.resize(value, 4).astype(float).tolist())
