"""Optical distortion: barrel and pincushion."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.augment.warp import Warp
from tasks.image.geometry import Size
from tasks.operation import Range, Ranged, within


class OpticalDistortion(Ranged, Warp):
    """Distort as a lens does: barrel or pincushion.

    What lies at the distance r from the center, as a fraction of half the diagonal, is taken from r (1 + d r^2). d is
    ``distortion`` (-0.25 to 1; a number, or [low, high] to draw from): above 0 is a barrel and shows what lies outside,
    as ``border`` says: ``constant`` (``fill``, a fraction of the value range), ``reflect`` or ``replicate``; below 0 is
    a pincushion and cuts the corners off. Every dtype is kept. Boxes become the bounds of their outlines, to half a
    pixel.

    Source: Brown 1966, "Decentering distortion of lenses"; Albumentations ``OpticalDistortion`` (which measures r in
    widths, and has a term in r^4 too).
    """

    shorthand: ClassVar[str | None] = "distortion"

    distortion: Annotated[Range, within(-0.25, 1)] = Range(-0.15, 0.15)

    def field(self, size: Size, **params: Any) -> NDArray[np.float32]:
        half = math.hypot(*size) / 2
        x = (np.arange(size.width) + 0.5 - size.width / 2).astype(np.float32)
        y = (np.arange(size.height) + 0.5 - size.height / 2).astype(np.float32)
        factor = (x * x + (y * y)[:, None]) * np.float32(params["distortion"] / half**2)
        return np.stack([factor * x, factor * y[:, None]], axis=2)
