"""Overlay: another picture laid over the image."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from tasks.image.geometry import Size
from tasks.image.render import resize
from tasks.image.sample import Pixels
from tasks.image.values import fractions, from_fractions, luma, with_channels
from tasks.operation import File, RandomFilter, Range, Ranged, within


class Overlay(Ranged, RandomFilter):
    """Lay a picture over the image.

    ``picture`` is the path of an image file that OpenCV reads, relative to the pipeline file; its content, not its
    path, decides whether rows are made again. It is resized to ``scale`` (0.01 to 1) of the largest size that fits,
    lies at ``x`` and ``y`` (0 to 1: from the left to the right end, from the upper to the lower), and covers by
    ``opacity`` (0 to 1) times its own alpha. Each is a number, or [low, high] to draw from. Over gray images its gray
    is laid. Every dtype is kept; integers are rounded. Boxes stay, also where they are covered.

    Source: AugLy ``OverlayImage``, Albumentations ``OverlayElements``.
    """

    example: ClassVar[Mapping[str, Any]] = {"picture": "data/sample/quickstart/photos/coffee.jpg"}

    picture: File
    x: Annotated[Range, within(0, 1)] = Range(0, 1)
    y: Annotated[Range, within(0, 1)] = Range(0, 1)
    scale: Annotated[Range, within(0.01, 1)] = Range(0.2, 0.5)
    opacity: Annotated[Range, within(0, 1)] = Range(0.5, 1)

    @field_validator("picture")
    @classmethod
    def _readable(cls, path: str) -> str:
        _read(path)
        return path

    def canonical(self) -> dict[str, Any]:
        whole = super().canonical()
        return {**whole, "parameters": {**whole["parameters"], "picture": f"sha256:{_read(self.picture)[0]}"}}

    def filter(self, pixels: Pixels, **params: Any) -> Pixels:
        color, alpha = _read(self.picture)[1:]
        height, width = pixels.shape[:2]
        factor = params["scale"] * min(width / color.shape[1], height / color.shape[0])
        size = Size(max(1, round(color.shape[1] * factor)), max(1, round(color.shape[0] * factor)))
        x, y = round(params["x"] * (width - size.width)), round(params["y"] * (height - size.height))
        if pixels.shape[2] == 1:
            color = luma(color)[:, :, None]
        share = resize(alpha, size) * np.float32(params["opacity"])
        part = (slice(y, y + size.height), slice(x, x + size.width))
        made, below = pixels.copy(), fractions(pixels[part])
        made[part] = from_fractions(below + share * (resize(color, size) - below), pixels.dtype)
        return made


@lru_cache(maxsize=8)
def _read(path: str) -> tuple[str, NDArray[np.float32], NDArray[np.float32]]:
    """Give the file's SHA-256, its colours and its alpha as fractions of the range."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}: give the path of an image file") from None
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if read is None:
        raise ValueError(f"{path}: OpenCV reads no image from this file")
    values = fractions(with_channels(np.asarray(read)))
    alpha = values[:, :, 3:] if values.shape[2] == 4 else np.ones((*values.shape[:2], 1), np.float32)
    color = values[:, :, 2::-1] if values.shape[2] > 2 else np.repeat(values[:, :, :1], 3, axis=2)
    return hashlib.sha256(data).hexdigest(), np.ascontiguousarray(color), np.ascontiguousarray(alpha)
