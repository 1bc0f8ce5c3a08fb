"""Cleanvision blurry: CleanVision's own score of blur."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from tasks.image.sample import Pixels
from tasks.image.values import as_bytes
from tasks.operation import Fraction, Score

LONG_SIDE = 64
RATE = 0.01
FEW_GRAYS = 0.18  # a spread of the histogram that says no more than this counts as nothing


class CleanvisionBlurry(Score):
    """Reject images that CleanVision calls blurry.

    The score, 0 to 1, is how strong the edges are once the longer side is at most 64 px, more where few gray values
    are used; the very same as CleanVision's, so that datasets compare. An image with a score below ``below`` is
    rejected (``cleanvision_blurry``). It catches few of the images that are blurred by little (``blurry`` does).
    Values of every dtype are rounded to 8 bits first.

    Source: CleanVision 0.3.7, issue ``blurry``.
    """

    uses: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "pillow")
    reason: ClassVar[str] = "cleanvision_blurry"
    told: ClassVar[str] = "CleanVision's blur score"

    below: Fraction = 0.29

    def score(self, pixels: Pixels) -> float:
        from PIL import Image, ImageFilter

        picture = Image.fromarray(as_bytes(pixels).squeeze(2) if pixels.shape[2] == 1 else as_bytes(pixels))
        ratio = max(picture.size) / LONG_SIDE
        if ratio > 1:
            width, height = picture.size
            picture = picture.resize((max(int(width // ratio), 1), max(int(height // ratio), 1)))
        gray = picture.convert("L")
        sharp = _saturating(float(np.std(np.asarray(gray.filter(ImageFilter.FIND_EDGES)))))
        few = _saturating(float(np.std(np.bincount(np.asarray(gray).ravel(), minlength=256))))
        return min(1.0, sharp + (few if few > FEW_GRAYS else 0.0))


def _saturating(value: float) -> float:
    return 1 - math.exp(-RATE * value)
