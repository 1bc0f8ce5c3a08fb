"""Targets at both ends: the mask that goes with a source, and a row's objects and mask as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.errors import Rejected
from tasks.image.geometry import Polygon, area
from tasks.image.masks import Mask, moved
from tasks.image.sample import Sample
from tasks.image.targets import BAD
from tasks.load.codecs import encode_png
from tasks.load.header import Limits
from tasks.load.masks import read_mask
from tasks.load.source import Source
from tasks.pipeline.graph import Output
from tasks.store.schema import Contents


def mask_of(annotations: Mapping[str, Any], reader: Source, limits: Limits) -> Mask | None:
    """Read the mask that the annotations name. ``Rejected`` (``bad_annotations``) where there is no usable one."""
    if "mask" not in annotations:
        return None
    uri = annotations["mask"]["uri"]
    try:
        data = reader.read(uri, annotations["mask"]["etag"])
    except Rejected as rejected:
        raise Rejected(BAD, f"the mask cannot be read: {rejected.message}") from rejected
    try:
        return read_mask(data, limits)
    except Rejected as rejected:
        raise Rejected(BAD, f"{uri}: {rejected.message}") from rejected


def objects(output: Output, sample: Sample, contents: Contents) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Give a row's objects, and those dropped with the reason; all that belongs to one leaves with it."""
    limits, targets, kinds = output.spec.boxes, sample.targets, contents.kinds
    placed = targets.placed(sample.whole, limits.min_visibility, limits.min_size)
    made: list[dict[str, Any]] = [
        {"bbox": box, "category": contents.categories.index(targets.categories[i])}
        for box, i in zip(placed.boxes.tolist(), placed.kept, strict=True)
    ]
    if kinds.polygons:
        for one, i, visible in zip(made, placed.kept, placed.visible, strict=True):
            parts = visible if targets.polygons and targets.polygons[i] else []
            one["segmentation"] = [_flat(part) for part in parts]
            one["area"] = sum(area(part) for part in visible)
    if kinds.rotated:
        for one, rectangle in zip(made, targets.placed_rotated(placed.kept, sample.whole), strict=True):
            one["rbox"] = rectangle
    if kinds.key_points:
        points = targets.placed_key_points(placed.kept, sample.whole)
        points[..., :2] -= 0.5 * (points[..., 2:] > 0)  # of edge coordinates pixel indices
        for one, own in zip(made, points.tolist(), strict=True):
            one["keypoints"] = own
    return made, placed.dropped


def _flat(part: Polygon) -> Any:
    return part.astype(np.float32).reshape(-1)


def mask(output: Output, sample: Sample, name: str) -> dict[str, Any] | None:
    """Give a row's mask as PNG, moved from the source's in one go; nothing where the source has none."""
    if sample.targets.mask is None:
        return None
    fill, void = output.spec.masks.fill, sample.targets.void
    made = moved(sample.targets.mask, sample.whole, fill)
    if void is not None:
        made = np.where(moved(void.astype(np.uint8), sample.whole) > 0, made.dtype.type(fill), made)
    return {"bytes": encode_png(made[:, :, None]), "path": f"{name}.mask.png"}
