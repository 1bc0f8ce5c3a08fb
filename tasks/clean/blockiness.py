"""Blockiness: images in which JPEG's blocks show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.errors import Rejected
from tasks.image.sample import Pixels
from tasks.image.values import as_bytes, luma
from tasks.operation import Check

BLOCK = 8  # px, JPEG's
FLOOR = 0.01  # levels: smaller steps are none


class Blockiness(Check):
    """Reject images in which JPEG's blocks show.

    The measure is the mean step in luma at the borders of 8 x 8 px blocks over the median of the mean steps at all
    eight offsets, averaged over both directions; 1 where no blocks show. Photographs have 1.03 (95 % of them below
    1.23); saved as JPEG with quality 70, 1.24, with 50, 1.39. An image above ``above`` is rejected (``blocky``). It
    sees only blocks that begin at the top left: not those of an image that was cropped or resized since. Values of
    every dtype are rounded to 8 bits first.

    Source: after Wang, Sheikh and Bovik 2002, "No-reference perceptual quality assessment of JPEG compressed
    images".
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"above"})

    above: Annotated[float, Field(ge=1)] = 1.3

    def measure(self, pixels: Pixels) -> dict[str, float]:
        gray = luma(as_bytes(pixels))
        across = cv2.absdiff(gray[:, 1:], gray[:, :-1]).mean(axis=0) if gray.shape[1] > BLOCK else np.zeros(BLOCK)
        down = cv2.absdiff(gray[1:], gray[:-1]).mean(axis=1) if gray.shape[0] > BLOCK else np.zeros(BLOCK)
        return {"": (_prominence(across) + _prominence(down)) / 2}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        score = measures[""]
        if score <= self.above:
            return None
        message = f"steps at the blocks' borders are {score:.2f} times the usual, above {self.above}"
        return Rejected("blocky", message, step=self.name(), measure=score, limit=self.above)


def _prominence(steps: NDArray[np.float64]) -> float:
    """Give the mean of every eighth step over the median of the means at all offsets."""
    means = [float(steps[offset::BLOCK].mean()) for offset in range(BLOCK)]
    return max(means[BLOCK - 1], FLOOR) / max(float(np.median(means)), FLOOR)
