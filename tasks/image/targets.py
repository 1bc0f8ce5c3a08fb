"""What is known about an image beside its pixels, and where it lies after the pixels have moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import Geometry, Move, Polygon, Size, area, intersection, project

STEP = 1.0  # px between the points of an edge that goes through a field
MOST = 4096  # points of an edge
ROUNDS = 40  # at most, to invert a field: 0.75 ** 40 of a displacement is nothing
NEAR_ENOUGH = 1e-3  # px: then it is inverted


@dataclass(frozen=True)
class Targets:
    """An image's annotations in the source's edge coordinates.

    ``boxes`` is N x 4, [x, y, width, height], float64; ``categories`` names each box.
    """

    boxes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    categories: tuple[str, ...] = ()

    @classmethod
    def read(cls, annotations: Mapping[str, Any] | None) -> Targets:
        """Read the listing's annotations: ``{"boxes": [[x, y, w, h], ...], "categories": [name, ...]}``."""
        if not annotations:
            return cls()
        boxes = np.asarray(annotations.get("boxes", []), dtype=np.float64).reshape(-1, 4)
        return cls(boxes, tuple(annotations.get("categories", [])))


@dataclass(frozen=True)
class Placed:
    """Boxes after the pixels moved: those kept, which source boxes they are, and those dropped with the reason."""

    boxes: NDArray[np.float64]
    kept: list[int]
    dropped: list[dict[str, Any]]


def place(boxes: NDArray[np.float64], geometry: Geometry, min_visibility: float, min_size: float) -> Placed:
    """Take boxes through a whole chain at once: four corners mapped, clipped by what is visible, bounds taken last.

    Visibility is the visible part of the mapped quadrilateral's area against all of it (inclusive at 1.0, counted
    from the source). A box under ``min_visibility``, or narrower or lower than ``min_size`` pixels, is dropped.
    """
    placed: list[list[float]] = []
    kept: list[int] = []
    dropped: list[dict[str, Any]] = []
    for i, (x, y, w, h) in enumerate(boxes.tolist()):
        corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
        whole, seen = _outlines(corners, geometry)
        visibility = min(1.0, area(seen) / whole) if whole > 0 and len(seen) > 2 else 0.0
        low, high = (seen.min(axis=0), seen.max(axis=0)) if len(seen) else (np.zeros(2), np.zeros(2))
        width, height = (high - low).tolist()
        if visibility < min_visibility - 1e-9 or visibility == 0.0:
            dropped.append({"box": i, "reason": "not_visible", "visibility": round(visibility, 6)})
        elif min(width, height) < min_size - 1e-9:
            dropped.append({"box": i, "reason": "too_small", "width": round(width, 6), "height": round(height, 6)})
        else:
            kept.append(i)
            placed.append([float(low[0]), float(low[1]), width, height])
    return Placed(np.array(placed, dtype=np.float64).reshape(-1, 4), kept, dropped)


def _outlines(corners: Polygon, geometry: Geometry) -> tuple[float, Polygon]:
    """Give the area that a box takes after the moves, and the outline of what is visible of it."""
    if all(move.warp is None for move in geometry.moves):
        quad = project(corners, geometry.matrix)
        return area(quad), intersection(quad, geometry.valid) if len(geometry.valid) > 2 else quad[:0]
    whole, seen = corners, _clipped(corners, geometry.source)
    for move in geometry.moves:
        alike = seen is whole
        whole = _moved(whole, move)
        seen = _clipped(whole if alike else _moved(seen, move), move.size)
    return area(whole), seen


def _clipped(polygon: Polygon, canvas: Size) -> Polygon:
    """Give the part of an outline that lies on a canvas."""
    if ((polygon >= 0) & (polygon <= np.array(canvas))).all():
        return polygon
    return intersection(polygon, canvas.corners)


def _moved(polygon: Polygon, move: Move) -> Polygon:
    """Take an outline through one move; through a field by points along its edges, by fixed-point iteration."""
    if move.warp is None or not len(polygon):
        return project(polygon, move.matrix)
    source = _dense(polygon)
    made = source
    for _ in range(ROUNDS):
        at = (made - 0.5).astype(np.float32)
        shift = cv2.remap(move.warp, at[:, None, 0], at[:, None, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        before, made = made, source - np.asarray(shift).reshape(-1, 2)
        if np.abs(made - before).max() < NEAR_ENOUGH:
            break
    return made


def _dense(polygon: Polygon) -> Polygon:
    """Give an outline with points between its corners, so that no edge is longer than 1.5 ``STEP``."""
    along = np.roll(polygon, -1, axis=0) - polygon
    counts = np.clip(np.ceil(np.sqrt((along**2).sum(axis=1)) / STEP - 0.5), 1, MOST).astype(np.int64)
    parts = np.repeat(counts, counts)
    number = np.arange(len(parts)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(np.repeat(polygon, counts, axis=0) + np.repeat(along, counts, axis=0) * (number / parts)[:, None])
