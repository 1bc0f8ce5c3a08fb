"""Closing: small dark parts go."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from tasks.clean.footprint import Morphology
from tasks.image.sample import Pixels
from tasks.image.values import with_channels


class Closing(Morphology):
    """Fill dark parts that are smaller than the footprint.

    A dilation, then an erosion. ``footprint`` is a ``disk``, ``square`` or ``diamond`` of ``radius`` pixels around
    each pixel, 0 to 100 (1 by default: with a disk the four neighbours, as scikit-image); 0 changes nothing.
    Neighbours outside the image do not count. Every dtype is kept, and the values are exact. Boxes do not change.

    Source: scikit-image ``morphology.closing(mode="ignore")``.
    """

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return with_channels(np.asarray(cv2.morphologyEx(pixels, cv2.MORPH_CLOSE, self.element)))
