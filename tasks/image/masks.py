"""Masks of class indices, moved with the pixels: each takes the index at its centre's place in the source, or none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import WHOLE, Geometry, Move, Size
from tasks.image.warps import pulled

Mask = NDArray[Any]  # H x W, uint8 or uint16


def moved(mask: Mask, geometry: Geometry, fill: int = 0) -> Mask:
    """Take a mask through all moves in one go; what shows nothing of the source is ``fill``, reflected borders too.

    Nearest, whatever the pixels' interpolation: what ``INTER_NEAREST_EXACT``, Pillow and scikit-image give for resizes,
    copies for flips, quarter turns and whole-pixel crops.
    """
    if not geometry.moves:
        return mask
    aligned = _along_the_axes(mask, geometry, fill)
    if aligned is not None:
        return aligned
    width, height = geometry.size
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    seen = np.ones((height, width), dtype=bool)
    for start, move in geometry.backwards():
        x, y = _before(move, x, y)
        seen &= _within(start, x, y) & (move.matrix[2, 0] * x + move.matrix[2, 1] * y + move.matrix[2, 2] > 0)
    made = np.full((height, width), fill, dtype=mask.dtype)
    made[seen] = mask[_index(y[seen], mask.shape[0]), _index(x[seen], mask.shape[1])]
    return made


def _before(
    move: Move, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say where points on a move's canvas lay on the one before."""
    if move.warp is not None:
        shift = pulled(move.warp, x, y)
        return x + shift[..., 0], y + shift[..., 1]
    (a, b, c), (d, e, f), (g, h, i) = np.linalg.inv(move.matrix).tolist()
    across, down = a * x + b * y + c, d * x + e * y + f
    if (g, h, i) == (0, 0, 1):
        return across, down
    depth = g * x + h * y + i
    depth = np.where(np.abs(depth) < WHOLE, WHOLE, depth)
    return across / depth, down / depth


def _within(size: Size, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (x >= -WHOLE) & (y >= -WHOLE) & (x <= size.width + WHOLE) & (y <= size.height + WHOLE)


def _index(at: NDArray[Any], side: int) -> NDArray[np.intp]:
    return np.clip(np.floor(at + WHOLE).astype(np.intp), 0, side - 1)


def _along_the_axes(mask: Mask, geometry: Geometry, fill: int) -> Mask | None:
    """Move whole rows and columns where all moves are along the axes: 30 times faster, and the same."""
    if geometry.warps or not all(_is_along_the_axes(move) for move in geometry.moves):
        return None
    width, height = geometry.size
    at: list[NDArray[Any]] = [np.arange(width) + 0.5, np.arange(height) + 0.5]
    seen = [np.ones(width, dtype=bool), np.ones(height, dtype=bool)]
    order = [0, 1]  # which axis of the source each of the canvas is now
    for start, move in geometry.backwards():
        inverse = np.linalg.inv(move.matrix)
        if abs(inverse[0, 0]) < abs(inverse[0, 1]):
            order = [1 - axis for axis in order]
        for i, axis in enumerate(order):
            scale = inverse[axis, :2][np.abs(inverse[axis, :2]).argmax()]
            at[i] = scale * at[i] + inverse[axis, 2]
            seen[i] &= (at[i] >= -WHOLE) & (at[i] <= start[axis] + WHOLE)
    across, down = (_index(at[i][seen[i]], geometry.source[order[i]]) for i in (0, 1))
    left, top = int(seen[0].argmax()), int(seen[1].argmax())
    made = np.full((height, width), fill, dtype=mask.dtype)
    source = mask.T if order[0] else mask
    made[top : top + len(down), left : left + len(across)] = source.take(down, axis=0).take(across, axis=1)
    return made


def _is_along_the_axes(move: Move) -> bool:
    (a, b, _), (c, d, _), last = move.matrix.tolist()
    return bool(last == [0, 0, 1]) and (b == c == 0 or a == d == 0)
