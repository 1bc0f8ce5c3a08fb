"""Shear: lean the image over."""

from __future__ import annotations

import math
from typing import Annotated, Any

from tasks.image.geometry import Matrix, Size, about, matrix
from tasks.operation import Fraction, RandomGeometric, Range, Ranged, within


class Shear(Ranged, RandomGeometric):
    """Lean the image over, about the center.

    ``x`` and ``y`` are angles in degrees, -80 to 80; a number, or [low, high] to draw from. ``x`` above 0 leans the top
    to the right, as italics; ``y`` above 0 leans the left side down. The size stays; what opens is filled with
    ``fill``, a fraction of the value range (that of the step before in its fused group, else 0). Every dtype is
    kept. Boxes become the bounds of their sheared corners.

    Source: torchvision ``RandomAffine`` (``shear``: same sign), Albumentations ``Affine``.
    """

    x: Annotated[Range, within(-80, 80)] = Range(-10, 10)
    y: Annotated[Range, within(-80, 80)] = Range(0, 0)
    fill: Fraction | None = None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        return about(size.center, shearing(params["x"], params["y"]))


def shearing(x: float, y: float) -> Matrix:
    """Shear about the origin, along x and then along y, by angles in degrees."""
    along_x = matrix([[1.0, -math.tan(math.radians(x)), 0.0], [0.0, 1.0, 0.0]])
    along_y = matrix([[1.0, 0.0, 0.0], [-math.tan(math.radians(y)), 1.0, 0.0]])
    return along_y @ along_x
