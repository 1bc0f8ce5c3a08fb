"""Translate: aside, up or down."""

from __future__ import annotations

from typing import Annotated, Any

from tasks.image.geometry import Matrix, Size, translation
from tasks.operation import Fraction, RandomGeometric, Range, Ranged, within


class Translate(Ranged, RandomGeometric):
    """Move the image on its canvas.

    ``x`` (to the right) and ``y`` (down) are fractions of its width and height, -1 to 1; a number, or [low, high] to
    draw from. The size stays; what opens is filled with ``fill``, a fraction of the value range (that of the step
    before in its fused group, else 0). Every dtype is kept. Boxes move with the pixels and are clipped.

    Source: torchvision ``RandomAffine`` (``translate``), Albumentations ``Affine`` (``translate_percent``).
    """

    x: Annotated[Range, within(-1, 1)] = Range(-0.1, 0.1)
    y: Annotated[Range, within(-1, 1)] = Range(-0.1, 0.1)
    fill: Fraction | None = None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        return translation(params["x"] * size.width, params["y"] * size.height)
