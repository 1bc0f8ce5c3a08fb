"""Affine: turn, scale, lean and move at once."""

from __future__ import annotations

from typing import Annotated, Any

from tasks.augment.shear import shearing
from tasks.image.geometry import Matrix, Size, about, rotation, scaling, translation
from tasks.operation import Fraction, RandomGeometric, Range, Ranged, within


class Affine(Ranged, RandomGeometric):
    """Turn, scale, lean and move at once.

    About the center: scaled by ``scale`` (0.05 to 20), leant by ``shear`` (degrees along x, above 0 the top to the
    right), turned by ``degrees`` (counter-clockwise as displayed; torchvision and Albumentations turn the other way),
    then moved by ``x`` and ``y`` (fractions of width and height). Each is a number, or [low, high] to draw from. The
    size stays; what opens is filled with ``fill``, a fraction of the value range (that of the step before in its fused
    group, else 0). Every dtype is kept. Boxes become the bounds of their corners.

    Source: torchvision ``RandomAffine``, Albumentations ``Affine``; same order as scikit-image ``AffineTransform``.
    """

    degrees: Annotated[Range, within(-360, 360)] = Range(-15, 15)
    x: Annotated[Range, within(-1, 1)] = Range(-0.1, 0.1)
    y: Annotated[Range, within(-1, 1)] = Range(-0.1, 0.1)
    scale: Annotated[Range, within(0.05, 20)] = Range(0.9, 1.1)
    shear: Annotated[Range, within(-80, 80)] = Range(-5, 5)
    fill: Fraction | None = None

    def matrix(self, size: Size, **params: Any) -> Matrix:
        scale = scaling(params["scale"], params["scale"])
        inner = rotation(params["degrees"]) @ shearing(params["shear"], 0.0) @ scale
        return translation(params["x"] * size.width, params["y"] * size.height) @ about(size.center, inner)
