"""Low information: images with next to nothing in them."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np

from tasks.image.sample import Pixels
from tasks.image.values import as_bytes
from tasks.operation import Fraction, Score


class LowInformation(Score):
    """Reject images with hardly any information.

    The score is a tenth of the entropy, in bits, of the histograms of all channels put together (256 bins each), at
    most 1. An image with a score below ``below`` is rejected (``low_information``). Values of every dtype are rounded
    to 8 bits first, so that all give the same score.

    Source: CleanVision 0.3.7, issue ``low_information``; Pillow ``Image.entropy``.
    """

    reason: ClassVar[str] = "low_information"
    told: ClassVar[str] = "information"

    below: Fraction = 0.3

    def score(self, pixels: Pixels) -> float:
        pixels = as_bytes(pixels)
        channels = range(pixels.shape[2])
        counts = np.concatenate([cv2.calcHist([pixels], [c], None, [256], [0, 256]).ravel() for c in channels])
        shares = counts[counts > 0].astype(np.float64) / pixels.size
        entropy = float(-(shares * np.log2(shares)).sum())
        return min(1.0, max(0.0, 0.1 * entropy))
