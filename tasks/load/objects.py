"""Objects as JSON lines, WebDataset samples and tables hold them, made what a listing's annotations say.

Either a list of objects or an object of lists, in COCO's terms: ``bbox`` is [x, y, width, height] in pixels,
``category`` (``categories``, ``category_id``, ``label``) a name or a number among the names; ``segmentation``,
``keypoints`` ([x, y, v] each, or flat) and ``rbox`` are as ``instances`` has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tasks.image.targets import Kinds
from tasks.load.instances import PARTS, is_box, parts, point_names, short

_BOXES: Final = ("bbox", "bboxes", "boxes")
CATEGORIES: Final = ("category", "categories", "category_id", "label", "labels")


def annotated(objects: Any, names: Sequence[str] = ()) -> dict[str, Any]:
    """Give the annotations of objects; what is wrong with one stands as ``problem``, and rejects the image."""
    try:
        return _annotations(_listed(objects), names)
    except ValueError as error:
        return {"boxes": [], "categories": [], "problem": f"objects: {error}"}


def masked(said: Mapping[str, Any] | None, uri: str, size: int, etag: str) -> dict[str, Any]:
    """Give what is said of an image with its mask; size and etag, so that another mask makes its rows again."""
    return {**(said or {}), "mask": {"etag": etag, "size": size, "uri": uri}}


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
        made["categories"].append(_category(next((one[name] for name in CATEGORIES if name in one), None), names, i))
        found.append(parts({**one, "keypoints": _flat(one.get("keypoints"))}))
    return made | {name: [one.get(name) for one in found] for name in PARTS if any(name in one for one in found)}


def _box(box: Any, number: int) -> list[float]:
    if not is_box(box):
        raise ValueError(f"object {number}: bbox {short(box)} is not [x, y, width, height]")
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
    points = point_names(found.get("keypoints", 0) // 3)
    return Kinds("segmentation" in found, "rbox" in found, masks, points)
