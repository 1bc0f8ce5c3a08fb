"""Masks of one object as outlines in edge coordinates, and COCO's run lengths as masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.image.geometry import Polygon


def unpacked(text: str) -> list[int]:
    """Give the run lengths of COCO's compressed text.

    Five bits and a sign to go on in each character from ``0`` on; from the fourth number, the difference to the one two
    before. Raises ``ValueError`` where the text ends within a number or holds other characters.

    Source: pycocotools ``rleFrString``.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"{character!r} is no part of run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= bool(bits & 16) << shift  # a negative number
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    if shift:
        raise ValueError("the run lengths end within a number")
    return counts


def from_runs(size: Sequence[int], counts: str | Sequence[int]) -> NDArray[np.uint8]:
    """Give the mask (H x W, 0 and 1) of run lengths down the columns, zeros first; ``size`` is [height, width].

    Raises ``ValueError`` where they do not fill it.

    Source: COCO's run-length encoding, pycocotools ``rleDecode``.
    """
    height, width = size
    runs = unpacked(counts) if isinstance(counts, str) else list(counts)
    if any(run < 0 for run in runs) or sum(runs) != height * width:
        raise ValueError(f"the run lengths do not add up to {width} x {height} pixels")
    ones = np.arange(len(runs), dtype=np.uint8) % 2
    return np.ascontiguousarray(np.repeat(ones, runs).reshape(width, height).T)


def outlines(mask: NDArray[Any]) -> tuple[Polygon, ...]:
    """Give the outlines of what is not zero: along the edges of pixels, exactly, one for each part.

    A hole is part of the outline around it, reached over a cut of no width where they are nearest. On a mask of twice
    the size, the pixels that OpenCV's borders run through lie on either side of an edge, so that halving them, rounded
    up, gives the edge.
    """
    doubled = np.repeat(np.repeat((mask != 0).astype(np.uint8), 2, axis=0), 2, axis=1)
    found, tree = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if tree is None:
        return ()
    rings = [_corners((np.asarray(ring)[:, 0] + 1) // 2) for ring in found]
    parts: dict[int, Polygon] = {i: rings[i] for i, (*_, parent) in enumerate(tree[0].tolist()) if parent < 0}
    for i, (*_, parent) in enumerate(tree[0].tolist()):
        if parent >= 0:
            parts[parent] = _cut_open(parts[parent], rings[i])
    return tuple(parts.values())


def _cut_open(around: Polygon, hole: Polygon) -> Polygon:
    apart = np.abs(around[:, None] - hole[None]).sum(axis=2)
    i, j = divmod(int(apart.argmin()), len(hole))
    return np.concatenate([around[: i + 1], np.roll(hole, -j, axis=0), hole[j : j + 1], around[i:]])


def _corners(ring: NDArray[Any]) -> Polygon:
    """Leave out points that repeat the one before, or lie on the way between two others."""
    ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)]
    into, out = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    return np.asarray(ring[(into != out).any(axis=1)], dtype=np.float64)
