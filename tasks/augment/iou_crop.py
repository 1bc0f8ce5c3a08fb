"""IoU crop: windows that overlap an object by a drawn measure."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.augment.box_crop import BoxCrop
from tasks.image.geometry import Size
from tasks.image.randomness import Generator
from tasks.operation import Fraction, Range, within

ROUNDS, TRIALS = 50, 40


class IouCrop(BoxCrop):
    """Cut out a part that overlaps a box by a drawn measure.

    One of ``overlaps`` is drawn: the least intersection over union of the part and a box whose center it holds; 1 keeps
    the whole image. The part's width and height are drawn from ``scale`` (fractions of the sides) until width / height,
    of the part, is in ``ratio`` and the overlap is reached; after 40 trials another measure is drawn, and after 50
    of these the image stays whole. Images without boxes get any part of that scale and ratio. A resize to a fixed size
    usually follows. Pixels of every dtype are copied, never resampled; boxes are clipped, and kept by their visible
    share (torchvision: by their centers).

    Source: torchvision ``RandomIoUCrop``; Liu et al. 2016, "SSD: single shot multibox detector".
    """

    overlaps: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
    scale: Annotated[Range, within(0.01, 1)] = Range(0.3, 1.0)
    ratio: Annotated[Range, within(0.01, 100)] = Range(0.5, 2.0)

    def window(self, rng: Generator, size: Size, boxes: NDArray[np.float64]) -> list[int]:
        for _ in range(ROUNDS):
            overlap = self.overlaps[int(rng.integers(len(self.overlaps)))]
            if overlap >= 1:
                break
            for _ in range(TRIALS):
                width, height = (int(side * rng.uniform(*self.scale)) for side in size)
                if not (width and height and self.ratio.low <= width / height <= self.ratio.high):
                    continue
                x, y = rng.integers(0, size.width - width + 1), rng.integers(0, size.height - height + 1)
                part = [int(x), int(y), width, height]
                if not len(boxes) or _overlap(part, boxes) >= overlap:
                    return part
        return [0, 0, size.width, size.height]


def _overlap(part: list[int], boxes: NDArray[np.float64]) -> float:
    """Give the greatest intersection over union with a box whose center the part holds; -1 where it holds none."""
    low, high = np.array(part[:2]), np.array(part[:2]) + part[2:]
    centers = boxes[:, :2] + boxes[:, 2:] / 2
    held = ((centers > low) & (centers < high)).all(axis=1)
    common = np.clip(np.minimum(boxes[:, :2] + boxes[:, 2:], high) - np.maximum(boxes[:, :2], low), 0, None).prod(
        axis=1
    )
    shares = common / (boxes[:, 2:].prod(axis=1) + part[2] * part[3] - common)
    return float(shares[held].max(initial=-1.0))
