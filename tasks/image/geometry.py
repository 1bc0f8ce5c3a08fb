"""Where pixels go: matrices and canvases in edge coordinates, composed into one resampling.

Edge coordinates: pixel i covers [i, i + 1), an image spans [0, W] x [0, H]. All matrices are 3 x 3, float64, and take
the coordinates before a step to those after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Polygon = NDArray[np.float64]  # N x 2 corners, convex

WHOLE = 1e-6  # px: nearer than this to a whole number is one
NEAR = 1e-3  # of the greatest depth of an outline: nearer to the horizon it is cut off


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def center(self) -> tuple[float, float]:
        """The middle, in edge coordinates."""
        return self.width / 2, self.height / 2

    @property
    def corners(self) -> Polygon:
        """The four corners, in edge coordinates."""
        w, h = float(self.width), float(self.height)
        return np.array([[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]])


def matrix(rows: Any) -> Matrix:
    """Give a 3 x 3 matrix from its first two rows."""
    return np.array([*rows, [0.0, 0.0, 1.0]], dtype=np.float64)


def translation(x: float, y: float) -> Matrix:
    """Move right by ``x`` and down by ``y``."""
    return matrix([[1.0, 0.0, x], [0.0, 1.0, y]])


def scaling(x: float, y: float) -> Matrix:
    """Scale about the origin."""
    return matrix([[x, 0.0, 0.0], [0.0, y, 0.0]])


def rotation(degrees: float) -> Matrix:
    """Turn about the origin, positive counter-clockwise as displayed."""
    c, s = float(np.cos(np.deg2rad(degrees))), float(np.sin(np.deg2rad(degrees)))
    return matrix([[c, s, 0.0], [-s, c, 0.0]])


def about(point: tuple[float, float], inner: Matrix) -> Matrix:
    """Apply ``inner`` with ``point`` as its origin."""
    return translation(*point) @ inner @ translation(-point[0], -point[1])


def transform(points: NDArray[np.float64], by: Matrix) -> NDArray[np.float64]:
    """Take points (... x 2) through a matrix, perspective included."""
    moved = points @ by[:2, :2].T + by[:2, 2]
    if by[2, 0] == 0.0 and by[2, 1] == 0.0:
        return moved if by[2, 2] == 1.0 else moved / by[2, 2]
    return np.asarray(moved / (points @ by[2, :2] + by[2, 2])[..., None])


def project(polygon: Polygon, by: Matrix) -> Polygon:
    """Take an outline through a matrix; what lies at or behind the horizon of a perspective is cut off."""
    depth = polygon @ by[2, :2] + by[2, 2]
    near = NEAR * depth.max(initial=0.0)
    if (depth > near).all() or (depth <= near).all():
        return transform(polygon, by)
    points = []
    for i, (point, d) in enumerate(zip(polygon, depth, strict=True)):
        if (d > near) != (depth[i - 1] > near):
            points.append(point + (polygon[i - 1] - point) * ((near - d) / (depth[i - 1] - d)))
        if d > near:
            points.append(point)
    return transform(np.array(points), by)


def signed_area(polygon: Polygon) -> float:
    """Give a simple polygon's area (shoelace): positive where x turns towards y, negative for the other way round."""
    return sum(ax * by - ay * bx for (ax, ay), (bx, by) in edges(polygon)) / 2


def area(polygon: Polygon) -> float:
    """Give a simple polygon's area."""
    return abs(signed_area(polygon))


def intersection(subject: Polygon, window: Polygon) -> Polygon:
    """Clip one convex polygon by another; the result has no corners where they do not meet.

    Source: Sutherland and Hodgman 1974, "Reentrant polygon clipping".
    """
    turn = math.copysign(1.0, signed_area(window))
    points: list[tuple[float, float]] = [(x, y) for x, y in subject.tolist()]
    for (ax, ay), (bx, by) in edges(window):
        side = [turn * ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) for x, y in points]
        clipped: list[tuple[float, float]] = []
        for i, (point, d) in enumerate(zip(points, side, strict=True)):
            before, e = points[i - 1], side[i - 1]
            if (d >= 0) != (e >= 0) and 0.0 not in (d, e):
                t = e / (e - d)
                clipped.append((before[0] + t * (point[0] - before[0]), before[1] + t * (point[1] - before[1])))
            if d >= 0:
                clipped.append(point)
        points = clipped
        if not points:
            break
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def inside(points: NDArray[np.float64], window: Polygon, reach: float = 0.0) -> NDArray[np.bool_]:
    """Say which points (N x 2) lie in a convex window, or at most ``reach`` pixels outside it."""
    turn = math.copysign(1.0, signed_area(window))
    found = np.ones(len(points), dtype=bool)
    for (ax, ay), (bx, by) in edges(window):
        side = turn * ((bx - ax) * (points[:, 1] - ay) - (by - ay) * (points[:, 0] - ax))
        found &= side >= -reach * math.hypot(bx - ax, by - ay)
    return found


def covers(outer: Polygon, inner: Polygon) -> bool:
    """Say whether a convex polygon holds every corner of another, to a millionth of a pixel.

    What ``inside`` says, four times as quickly for a few corners: it is asked for each canvas of each picture.
    """
    turn = math.copysign(1.0, signed_area(outer))
    points = inner.tolist()
    for (ax, ay), (bx, by) in edges(outer):
        least = -WHOLE * math.hypot(bx - ax, by - ay)
        if any(turn * ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) < least for x, y in points):
            return False
    return True


def edges(polygon: Polygon) -> Iterator[tuple[list[float], list[float]]]:
    """Give the two ends of each edge."""
    corners = polygon.tolist()
    return zip(corners, corners[1:] + corners[:1], strict=True)


def is_whole(value: float) -> bool:
    """Say whether a coordinate is a whole number, to a millionth of a pixel."""
    return abs(value - round(value)) < WHOLE


def is_exact(by: Matrix) -> bool:
    """Say whether a matrix only flips, turns by right angles and moves by whole pixels: a copy, never a resampling."""
    (a, b, x), (c, d, y), last = by.tolist()
    straight = abs(a) == abs(d) == 1 and b == c == 0
    turned = abs(b) == abs(c) == 1 and a == d == 0
    return (straight or turned) and last == [0, 0, 1] and is_whole(x) and is_whole(y)


@dataclass(frozen=True, eq=False)
class Move:
    """One geometric step with its parameters drawn: a matrix, the canvas that it makes, and what fills the rest.

    ``fill`` is a fraction of the value range; None takes the fill of the move before it in its group, else 0.
    ``interpolation`` is ``auto`` unless the user named one. ``warp`` (H x W x 2, float32) is a field that no matrix
    says: what pixel (x, y) shows lay at (x, y) + warp[y, x] before; ``matrix`` is then the identity.
    """

    matrix: Matrix
    size: Size
    fill: float | None = None
    interpolation: str = "auto"
    border: str = "constant"
    antialias: bool = False
    warp: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Geometry:
    """A chain of moves as one: the composed matrix, the last canvas, and every canvas on the way, mapped forward.

    ``canvases`` holds, for each move, the canvas it started from and its fill: outside the first is the first fill,
    outside the second the second, and so on, painted in this order.
    """

    source: Size
    moves: tuple[Move, ...] = ()

    @property
    def size(self) -> Size:
        """The size of the last canvas."""
        return self.moves[-1].size if self.moves else self.source

    @cached_property
    def matrix(self) -> Matrix:
        """The moves as one matrix."""
        composed = self.moves[0].matrix if self.moves else np.eye(3)
        for move in self.moves[1:]:
            composed = move.matrix @ composed
        return composed

    @cached_property
    def warps(self) -> bool:
        """Whether a move is a field that no matrix says."""
        return any(move.warp is not None for move in self.moves)

    def backwards(self) -> Iterator[tuple[Size, Move]]:
        """Give the moves, the last one first, each with the canvas that it started from."""
        starts = [self.source, *(move.size for move in self.moves)][:-1]
        return zip(reversed(starts), reversed(self.moves), strict=True)

    @cached_property
    def canvases(self) -> list[tuple[Polygon, float]]:
        """Each canvas that a move started from, mapped to the last one, with the fill outside it."""
        painted: list[tuple[Polygon, float]] = []
        after = np.eye(3)
        for start, move in self.backwards():
            after = after @ move.matrix
            painted.append((project(start.corners, after), move.fill or 0.0))
        return painted[::-1]

    @cached_property
    def valid(self) -> Polygon:
        """The part of the last canvas that shows the source, clipped by every canvas on the way."""
        polygon = self.source.corners
        for move in self.moves:
            polygon = intersection(transform(polygon, move.matrix), move.size.corners)
        return polygon
