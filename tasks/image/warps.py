"""Fields that no matrix says: where points lay before one, and where they come to lie after it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import Polygon

STEP = 1.0  # px between the points of an edge that goes through a field
MOST = 4096  # points of an edge
ROUNDS = 40  # at most, to invert a field: 0.75 ** 40 of a displacement is nothing
NEAR_ENOUGH = 1e-3  # px: then it is inverted
AT_ONCE = 16_384  # rows of points: OpenCV takes 32,767


def pulled(warp: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give how far off (... x 2) lay what points (edge coordinates, N or H x W) show, by linear interpolation."""
    across, down = ((axis.reshape(len(axis), -1) - 0.5).astype(np.float32) for axis in (x, y))
    parts = [
        cv2.remap(
            warp,
            across[start : start + AT_ONCE],
            down[start : start + AT_ONCE],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for start in range(0, len(x), AT_ONCE)
    ]
    return np.concatenate([np.asarray(part) for part in parts]).reshape(*x.shape, 2)


def pushed(points: NDArray[np.float64], warp: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give where points (N x 2, edge coordinates) come to lie, by fixed-point iteration."""
    made = points
    for _ in range(ROUNDS if len(points) else 0):
        before, made = made, points - pulled(warp, made[:, 0], made[:, 1])
        if np.abs(made - before).max() < NEAR_ENOUGH:
            break
    return made


def dense(polygon: Polygon) -> Polygon:
    """Give an outline with points between its corners, so that no edge is longer than 1.5 ``STEP``."""
    along = np.roll(polygon, -1, axis=0) - polygon
    counts = np.clip(np.ceil(np.sqrt((along**2).sum(axis=1)) / STEP - 0.5), 1, MOST).astype(np.int64)
    parts = np.repeat(counts, counts)
    number = np.arange(len(parts)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(np.repeat(polygon, counts, axis=0) + np.repeat(along, counts, axis=0) * (number / parts)[:, None])
