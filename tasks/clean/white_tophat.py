"""White tophat: small bright parts alone."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from tasks.clean.footprint import Morphology, Radius
from tasks.image.sample import Pixels
from tasks.image.values import with_channels


class WhiteTophat(Morphology):
    """Keep only the bright parts that are smaller than the footprint.

    The image minus its opening: what is left of a bright pattern on an uneven background. ``footprint`` is a
    ``disk``, ``square`` or ``diamond`` of ``radius`` pixels around each pixel, 0 to 100 (15 by default:
    scikit-image takes the four neighbours); 0 gives black. Neighbours outside the image do not count. Every dtype
    is kept, and the values are exact. Boxes do not change.

    Source: scikit-image ``morphology.white_tophat(mode="ignore")``.
    """

    radius: Radius = 15

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        return with_channels(np.asarray(cv2.morphologyEx(pixels, cv2.MORPH_TOPHAT, self.element)))
