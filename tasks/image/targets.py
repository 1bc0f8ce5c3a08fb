"""What is known about an image beside its pixels, and where it lies after the pixels have moved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import Geometry, Move, Polygon, area, edges, intersection, project

STEP = 2.0  # px between the points of an edge that goes through a field
MOST = 4096  # points of an edge
ROUNDS = 40  # of the inversion of a field: 0.75 ** 40 of a displacement is nothing


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
    whole, seen = corners, intersection(corners, geometry.source.corners)
    for move in geometry.moves:
        whole, seen = _moved(whole, move), intersection(_moved(seen, move), move.size.corners)
    return area(whole), seen


def _moved(polygon: Polygon, move: Move) -> Polygon:
    """Take an outline through one move; through a field by points along its edges, by fixed-point iteration."""
    if move.warp is None or not len(polygon):
        return project(polygon, move.matrix)
    points = []
    for start, end in edges(polygon):
        count = min(MOST, max(1, math.ceil(math.dist(start, end) / STEP)))
        points.append(np.linspace(start, end, count, endpoint=False))
    source = np.concatenate(points)
    made = source
    for _ in range(ROUNDS):
        at = (made - 0.5).astype(np.float32)
        shift = cv2.remap(move.warp, at[:, None, 0], at[:, None, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        made = source - np.asarray(shift).reshape(-1, 2)
    return made
