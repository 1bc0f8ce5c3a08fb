"""Perspective: as if seen from another place."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from tasks.image.geometry import Matrix, Polygon, Size, scaling
from tasks.image.randomness import Generator
from tasks.image.sample import Sample
from tasks.operation import Fraction, Params, RandomGeometric


class Perspective(RandomGeometric):
    """Look at the image from another place.

    Each corner moves inwards by up to ``distortion`` (0 to 0.6; more may fold the image) of half the width and of half
    the height, drawn uniformly for each. The size stays; what opens is filled with ``fill``, a fraction of the value
    range (that of the step before in its fused group, else 0). Every dtype is kept. Boxes become the bounds of
    their corners.

    Source: torchvision ``RandomPerspective`` (``distortion_scale``); the matrix is that of Heckbert 1989,
    "Fundamentals of texture mapping and image warping", 2.2.3.
    """

    distortion: Annotated[float, Field(ge=0, le=0.6)] = 0.5
    fill: Fraction | None = None

    def draw(self, rng: Generator, sample: Sample) -> Params:
        return {"corners": rng.uniform(0.0, self.distortion / 2, (4, 2)).tolist()}

    def matrix(self, size: Size, **params: Any) -> Matrix:
        inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * np.array(params["corners"])
        return from_unit_square(size.corners + inwards * np.array(size)) @ scaling(1 / size.width, 1 / size.height)


def from_unit_square(corners: Polygon) -> Matrix:
    """Give the matrix that takes the square from (0, 0) to (1, 1) to four corners, clockwise as displayed."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners.tolist()
    ux, uy, vx, vy = bx - cx, by - cy, dx - cx, dy - cy
    sx, sy = ax - bx + cx - dx, ay - by + cy - dy
    turn = ux * vy - vx * uy
    g, h = (sx * vy - vx * sy) / turn, (ux * sy - sx * uy) / turn
    return np.array(
        [[bx - ax + g * bx, dx - ax + h * dx, ax], [by - ay + g * by, dy - ay + h * dy, ay], [g, h, 1.0]],
        dtype=np.float64,
    )
