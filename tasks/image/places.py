"""Where outlines, points and turned rectangles lie after a chain of moves, and what of them is still in view."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import (
    WHOLE,
    Geometry,
    Move,
    Polygon,
    Size,
    area,
    inside,
    intersection,
    project,
    transform,
)
from tasks.image.warps import dense, pushed

BESIDE = 1e-3  # px: a corner of a window that lies this far outside an outline is none of it


def corners(x: float, y: float, width: float, height: float) -> Polygon:
    """Give a box as its outline."""
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def through(outline: Polygon, geometry: Geometry) -> tuple[Polygon, Polygon]:
    """Give an outline after the moves, and the outline of what is visible of it."""
    if not geometry.warps:
        whole = project(outline, geometry.matrix)
        return whole, clipped(whole, geometry.valid) if len(geometry.valid) > 2 else whole[:0]
    whole, seen = outline, _on(outline, geometry.source)
    for move in geometry.moves:
        alike = seen is whole
        whole = _moved(whole, move)
        seen = _on(whole if alike else _moved(seen, move), move.size)
    return whole, seen


def clipped(outline: Polygon, window: Polygon) -> Polygon:
    """Give the part of an outline in a convex window, quickly where that is all of it."""
    return outline if len(outline) > 8 and inside(outline, window).all() else intersection(outline, window)


def bounds(whole: Polygon, seen: Polygon, window: Polygon) -> list[float]:
    """Give [left, top, right, bottom] of what is visible of an outline.

    An outline with bays that is cut by a window goes on along the window's edges, over corners that are not its own:
    these do not count.
    """
    if len(whole) > 4 and len(seen):
        foreign = (np.abs(seen[:, None] - window[None]).max(axis=2) < WHOLE).any(axis=1)
        ring = whole.astype(np.float32)
        for i in np.flatnonzero(foreign).tolist():
            foreign[i] = cv2.pointPolygonTest(ring, tuple(seen[i].tolist()), True) < -BESIDE
        seen = seen[~foreign]
    if not len(seen):
        return [0.0, 0.0, 0.0, 0.0]
    return [*seen.min(axis=0).tolist(), *seen.max(axis=0).tolist()]


def points_through(points: NDArray[np.float64], geometry: Geometry) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give points (N x 2) after the moves, and whether each is in view: on every canvas on the way."""
    if not geometry.warps:
        before = points @ geometry.matrix[2, :2] + geometry.matrix[2, 2] > WHOLE
        moved = transform(np.where(before[:, None], points, np.array(geometry.source.center)), geometry.matrix)
        if len(geometry.valid) < 3:
            return moved, np.zeros(len(points), dtype=bool)
        return moved, before & inside(moved, geometry.valid, WHOLE)
    seen = inside(points, geometry.source.corners, WHOLE)
    for move in geometry.moves:
        points = pushed(points, move.warp) if move.warp is not None else transform(points, move.matrix)
        seen &= inside(points, move.size.corners, WHOLE)
    return points, seen


def mirrors(geometry: Geometry) -> bool:
    """Say whether the moves, taken together, turn left into right."""
    return float(np.linalg.det(geometry.matrix)) < 0


def quad(rectangle: Sequence[float]) -> Polygon:
    """Give the corners of a turned rectangle [center x, center y, width, height, degrees counter-clockwise]."""
    x, y, width, height, degrees = rectangle
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across, down = np.array([c, -s]) * width / 2, np.array([s, c]) * height / 2
    center = np.array([x, y])
    return np.array([center - across - down, center + across - down, center + across + down, center - across + down])


def turned(rectangle: Sequence[float], geometry: Geometry) -> list[float]:
    """Give a turned rectangle after the moves: the smallest along one of its own edges around what is visible.

    Its angle is that of the edge that ``width`` measures, in -180..180. Moves that keep its shape give it exactly.
    """
    before = quad(rectangle)
    whole, seen = through(before, geometry)
    around = seen if len(seen) > 2 and area(seen) > 0 else whole
    (a, b, _, d), _ = points_through(before, geometry)
    along, beside = b - a, d - a
    square = np.array([-beside[1], beside[0]])
    found = [_around(around, axis) for axis in (along, square if square @ along >= 0 else -square) if axis.any()]
    if not found:
        return [*before.mean(axis=0).tolist(), 0.0, 0.0, 0.0]
    return min(found, key=lambda one: round(one[2] * one[3], 6))


def _around(points: Polygon, axis: NDArray[np.float64]) -> list[float]:
    """Give the rectangle around points whose width lies along an axis."""
    across = axis / math.hypot(*axis.tolist())
    down = np.array([-across[1], across[0]])
    frame = np.stack([across, down])
    along = points @ frame.T
    low, high = along.min(axis=0), along.max(axis=0)
    x, y = ((low + high) / 2 @ frame).tolist()
    width, height = (high - low).tolist()
    return [x, y, width, height, math.degrees(math.atan2(-across[1], across[0]))]


def _on(outline: Polygon, canvas: Size) -> Polygon:
    """Give the part of an outline that lies on a canvas."""
    if ((outline >= 0) & (outline <= np.array(canvas))).all():
        return outline
    return intersection(outline, canvas.corners)


def _moved(outline: Polygon, move: Move) -> Polygon:
    """Take an outline through one move; through a field by points along its edges."""
    if move.warp is None or not len(outline):
        return project(outline, move.matrix)
    return pushed(dense(outline), move.warp)
