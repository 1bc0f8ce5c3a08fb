"""Objects as JSON lines, WebDataset samples and tables hold them, made what a listing's annotations say.

Either a list of objects or an object of lists, in COCO's terms: ``bbox`` is [x, y, width, height] in pixels,
``category`` (``categories``, ``category_id``, ``label``) a name or a number among the names; ``segmentation``,
``keypoints`` ([x, y, v] each, or flat) and ``rbox`` are as ``instances`` has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tasks.image.targets import Kinds
from tasks.load.instances import PARTS, parts

_BOXES: Final = ("bbox", "bboxes", "boxes")
_CATEGORIES: Final = ("category", "categories", "category_id", "label", "labels")


def annotated(objects: Any, names: Sequence[str] = ()) -> dict[str, Any]:
    """Give the annotations of objects; what is wrong with one stands as ``problem``, and rejects the image."""
    try:
        return _annotations(_listed(objects), names)
    except ValueError as error:
        return {"boxes": [], "categories": [], "problem": f"objects: {error}"}


def _listed(objects: Any) -> list[Mapping[str, Any]]:
    if objects is None:
        return []
    if isinstance(objects, Mapping):
        lists = {name: values for name, values in objects.items() if isinstance(values, list)}
        lengths = {len(values) for values in lists.values()}
        if len(lengths) > 1:
            raise ValueError(f"its lists have different lengths ({', '.join(map(str, sorted(lengths)))})")
        return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
    if isinstance(objects, list) and all(isinstance(one, Mapping) for one in objects):
        return objects
    raise ValueError(f"{str(objects)[:80]!r} is neither a list of objects nor an object of lists")


def _annotations(objects: list[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"boxes": [], "categories": []}
    found = []
    for i, one in enumerate(objects, 1):
        made["boxes"].append(_box(next((one[name] for name in _BOXES if name in one), None), i))
        made["categories"].append(_category(next((one[name] for name in _CATEGORIES if name in one), None), names, i))
        found.append(parts({**one, "keypoints": _flat(one.get("keypoints"))}))
    return made | {name: [one.get(name) for one in found] for name in PARTS if any(name in one for one in found)}


def _box(box: Any, number: int) -> list[float]:
    told = isinstance(box, list) and len(box) == 4 and all(isinstance(value, (int, float)) for value in box)
    if not told or not all(abs(value) < 1e15 and math.isfinite(value) for value in box) or min(box[2:]) < 0:
        raise ValueError(f"object {number}: bbox {str(box)[:80]} is not [x, y, width, height]")
    return [float(value) for value in box]


def _category(value: Any, names: Sequence[str], number: int) -> str:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and names and 0 <= value < len(names):
        return names[value]
    if isinstance(value, int) and not names:
        return str(value)
    raise ValueError(f"object {number}: category {value!r} is no name" + (f" of {len(names)}" if names else ""))


def _flat(points: Any) -> Any:
    if isinstance(points, list) and points and all(isinstance(point, list) for point in points):
        return [value for point in points for value in point]
    return points


def kinds_of(found: Mapping[str, int], masks: bool = False) -> Kinds:
    """Give the kinds of targets: ``found`` says which parts some image has, and how many numbers at most."""
    points = tuple(f"point_{i}" for i in range(1, found.get("keypoints", 0) // 3 + 1))
    return Kinds("segmentation" in found, "rbox" in found, masks, points)
