"""Annotations in fractions of the image, as YOLO writes them, made pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.image.geometry import Size


def in_pixels(annotations: Mapping[str, Any], size: Size) -> dict[str, Any]:
    """Give boxes, polygons and key points ([x, y, v], flat) in the edge coordinates of an image of ``size``."""
    made = dict(annotations)
    made["boxes"] = [_scaled(box, size) for box in annotations["boxes"]]
    if "segmentation" in annotations:
        made["segmentation"] = [one and [_scaled(part, size) for part in one] for one in annotations["segmentation"]]
    if "keypoints" in annotations:
        made["keypoints"] = [one and _points(one, size) for one in annotations["keypoints"]]
    return made


def _scaled(values: Sequence[float], size: Size) -> list[float]:
    return [value * size[i % 2] for i, value in enumerate(values)]


def _points(values: Sequence[float], size: Size) -> list[float]:
    return [value * (*size, 1)[i % 3] for i, value in enumerate(values)]
