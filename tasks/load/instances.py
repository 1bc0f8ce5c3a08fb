"""What COCO says of one object beside its box: segmentation, key points, and our extension, a rotated box.

A segmentation is a list of polygons ``[x1, y1, x2, y2, ...]`` (those of fewer than three points outline nothing, and
are left out) or run lengths, ``{"size": [height, width], "counts": text or numbers}``. Key points are
``[x, y, v, ...]`` in pixel indices, v = 0 where not labelled; they become edge coordinates, + 0.5, as Detectron2 has
it. ``rbox`` is ``[center x, center y, width, height, degrees]``, counter-clockwise as displayed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

from tasks.image.places import quad

PARTS: Final = ("keypoints", "rbox", "segmentation")

_SIDE: Final = re.compile(r"left|right|(?<![a-z])[lr](?![a-z])", re.IGNORECASE)
_OTHER: Final = {"left": "right", "right": "left", "l": "r", "r": "l"}


def parts(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Give what an annotation holds beside its box. Raises ``ValueError`` that says what is wrong."""
    found: dict[str, Any] = {}
    segmentation, points, box = (annotation.get(name) for name in ("segmentation", "keypoints", "rbox"))
    if segmentation not in (None, []):
        found["segmentation"] = _segmentation(segmentation)
    if points not in (None, []):
        found["keypoints"] = _key_points(points)
    if box is not None:
        if not _numbers(box) or len(box) != 5 or box[2] < 0 or box[3] < 0:
            raise ValueError(f"rbox {short(box)} is not [center x, center y, width, height, degrees]")
        found["rbox"] = box
    return found


def is_box(value: Any) -> TypeGuard[list[float]]:
    """Say whether this is [x, y, width, height]."""
    return _numbers(value) and len(value) == 4 and value[2] >= 0 and value[3] >= 0


def box_of(rectangle: Sequence[float]) -> list[float]:
    """Give the box around a rotated one."""
    outline = quad(rectangle)
    low, high = outline.min(axis=0), outline.max(axis=0)
    return [*low.tolist(), *(high - low).tolist()]


def _segmentation(value: Any) -> Any:
    if isinstance(value, dict):
        size, counts = value.get("size"), value.get("counts")
        sized = _numbers(size) and len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size)
        told = isinstance(counts, str) or (_numbers(counts) and all(isinstance(run, int) for run in counts))
        if not sized or not told:
            raise ValueError('run lengths are not {"size": [height, width], "counts": ...}')
        return {"size": size, "counts": counts}
    if not isinstance(value, list) or not all(_numbers(one) and len(one) % 2 == 0 for one in value):
        raise ValueError(f"segmentation {short(value)} is no list of polygons [x1, y1, x2, y2, ...]")
    return [one for one in value if len(one) >= 6]


def _key_points(value: Any) -> list[float]:
    if not _numbers(value) or len(value) % 3 or any(seen not in (0, 1, 2) for seen in value[2::3]):
        raise ValueError(f"keypoints {short(value)} are not [x, y, v, ...] with v of 0, 1 or 2")
    made: list[float] = []
    for x, y, seen in zip(value[::3], value[1::3], value[2::3], strict=True):
        made += [x + 0.5, y + 0.5, int(seen)] if seen else [0.0, 0.0, 0]
    return made


def _numbers(value: Any) -> TypeGuard[list[float]]:
    return isinstance(value, list) and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) and abs(one) < 1e15 and math.isfinite(one)
        for one in value
    )


def short(value: Any) -> str:
    """Give a value as a message shows it."""
    return repr(value)[:80]


def point_names(count: int) -> tuple[str, ...]:
    """Give the names of key points that have none."""
    return tuple(f"point_{i}" for i in range(1, count + 1))


def sides(names: Sequence[str]) -> tuple[tuple[int, int], ...] | None:
    """Give the pairs among key points: names that differ only by left and right, or by l and r as a word.

    Nothing where there are none, or where one has no other side: a mirror would then make it what it is not.
    """
    found = set[tuple[int, int]]()
    for i, name in enumerate(names):
        match = _SIDE.search(name)
        if match is None:
            continue
        other = name[: match.start()] + _like(match[0]) + name[match.end() :]
        if other in names:
            found.add((min(i, names.index(other)), max(i, names.index(other))))
        elif _is_word(name, match):
            return None
    return tuple(sorted(found)) or None


def _like(side: str) -> str:
    other = _OTHER[side.lower()]
    return other.upper() if side.isupper() else other.capitalize() if side[0].isupper() else other


def _is_word(name: str, match: re.Match[str]) -> bool:
    before, after = name[: match.start()][-1:], name[match.end() :][:1]
    return not before.isalpha() and not after.islower()
