"""Hu moments: seven numbers that moving, scaling and turning do not change."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extract.planes import gray
from tasks.image.geometry import Size
from tasks.image.sample import Pixels
from tasks.operation import Feature


class HuMoments(Feature):
    """Describe shape by Hu's seven invariant moments.

    They do not change with position, size and rotation; the seventh changes its sign with mirroring. ``scale: log``
    gives -sign(h) log10(abs(h)), so that all have a like size (0 where h is 0); ``linear`` gives h. Gray is Rec. 601 as
    fractions of the range, float32 not clipped; every dtype gives the same, to rounding. Boxes play no part.

    Source: Hu 1962; OpenCV ``HuMoments``, scikit-image ``measure.moments_hu``.
    """

    scale: Literal["log", "linear"] = "log"

    def extract(self, pixels: Pixels) -> NDArray[np.float32]:
        moments = np.asarray(cv2.HuMoments(cv2.moments(gray(pixels)))).ravel()
        if self.scale == "log":
            size = np.abs(moments)
            moments = -np.sign(moments) * np.log10(size, where=size > 0, out=np.zeros(7))
        return moments.astype(np.float32)

    def components(self, size: Size | None, channels: int | None) -> list[str]:
        return [f"hu_{n}" for n in range(1, 8)]
