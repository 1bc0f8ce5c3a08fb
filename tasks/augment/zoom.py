"""Zoom: in or out, about the center."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from tasks.image.geometry import Matrix, Size, about, scaling
from tasks.operation import Fraction, RandomGeometric, Range, Ranged, within


class Zoom(Ranged, RandomGeometric):
    """Scale about the center.

    ``scale`` is the factor (0.05 to 20; a number, or [low, high] to draw from): above 1 enlarges and cuts the borders
    off, below 1 shrinks and fills what opens with ``fill``, a fraction of the value range (that of the step before in
    its fused group, else 0). The size stays. Every dtype is kept. Boxes scale with the pixels and are clipped.

    Source: torchvision ``RandomAffine`` (``scale``), Albumentations ``Affine``.
    """

    shorthand: ClassVar[str | None] = "scale"

    scale: Annotated[Range, within(0.05, 20)] = Range(0.8, 1.2)
    fill: Fraction | None = None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        return about(size.center, scaling(params["scale"], params["scale"]))
