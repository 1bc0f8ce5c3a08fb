"""Low information: images with next to nothing in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import cv2
import numpy as np

from tasks.errors import Rejected
from tasks.image.sample import Pixels
from tasks.image.values import as_bytes
from tasks.operation import Check, Fraction


class LowInformation(Check):
    """Reject images with hardly any information.

    The score is a tenth of the entropy, in bits, of the histograms of all channels put together (256 bins each), at
    most 1. An image with a score below ``below`` is rejected (``low_information``). Values of every dtype are rounded
    to 8 bits first, so that all give the same score.

    Source: CleanVision 0.3.7, issue ``low_information``; Pillow ``Image.entropy``.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"below"})

    below: Fraction = 0.3

    def measure(self, pixels: Pixels) -> dict[str, float]:
        pixels = as_bytes(pixels)
        channels = range(pixels.shape[2])
        counts = np.concatenate([cv2.calcHist([pixels], [c], None, [256], [0, 256]).ravel() for c in channels])
        shares = counts[counts > 0].astype(np.float64) / pixels.size
        entropy = float(-(shares * np.log2(shares)).sum())
        return {"": min(1.0, max(0.0, 0.1 * entropy))}

    def measures(self) -> tuple[str, ...]:
        return ("",)

    def verdict(self, measures: Mapping[str, float]) -> Rejected | None:
        score = measures[""]
        if score >= self.below:
            return None
        message = f"information {score:.2f} is below {self.below}"
        return Rejected("low_information", message, step=self.name(), measure=score, limit=self.below)
