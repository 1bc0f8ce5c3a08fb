"""Pictures, and operations as a file writes them, for the tests of operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from tasks.image.geometry import Geometry, Size, transform
from tasks.image.sample import Base, Other, Pixels, Sample
from tasks.operation import DTYPES, Draws, KeyedDraws, Operation, Step, perform, registry
from tasks.pipeline.nesting import step_fields

RANGES = {"uint8": 255, "uint16": 65_535, "float32": 1}
KINDS = [(dtype, channels) for dtype in DTYPES for channels in (1, 3)]


def picture(width: int = 97, height: int = 71, dtype: str = "uint8", channels: int = 3) -> Pixels:
    """A part of a photograph: the same fractions of the range in every dtype."""
    whole = data.astronaut()
    scale = max(width / 300, height / 300, 1)
    part = whole[: min(512, int(300 * scale)), 100 : 100 + min(400, int(300 * scale))]
    pixels = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    if channels == 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[:, :, None]
    return in_dtype(pixels.reshape(height, width, channels), dtype)


def in_dtype(pixels: NDArray[np.uint8], dtype: str) -> Pixels:
    if dtype == "float32":
        return (pixels / 255).astype(np.float32)
    return pixels.astype(dtype) * (257 if dtype == "uint16" else 1)


def fractions(pixels: Pixels) -> NDArray[np.float64]:
    return pixels.astype(np.float64) / RANGES[pixels.dtype.name]


def make(name: str, **parameters: Any) -> Operation:
    """An operation as a file writes it: nested ones as names or mappings."""
    kind = registry()[name]
    for field in step_fields(kind):
        if field in parameters:
            parameters[field] = tuple(step(item) for item in parameters[field])
    return kind(**parameters)


def step(item: str | Mapping[str, Any] | Step, **parameters: Any) -> Step:
    if isinstance(item, Step):
        return item
    if isinstance(item, str):
        return Step(id=parameters.pop("id", item), operation=make(item, **parameters))
    item = dict(item)
    given = {"id": item.pop("id")} if "id" in item else {}
    ((name, values),) = item.items()
    return step(name, **given, **(values or {}))


class Beside:
    """Other images, the same for every sample: of another size, depth and colour each."""

    def find(self, sample: Sample, path: str, count: int) -> list[Other]:
        pictures = [picture(61, 47), picture(30, 80, "uint16", 1)[::-1].copy(), picture(40, 40)[:, ::-1].copy()]
        return [Other(Sample(Base(pictures[i % 3])), {"uri": f"{i}.png"}) for i in range(count)]


def sample(pixels: Pixels, content: bytes = b"content", **more: Any) -> Sample:
    return Sample(Base(pixels), content, **{"others": Beside(), **more})


def run(steps: list[Step], start: Sample, draws: Draws | None = None) -> Sample:
    for one in steps:
        start = perform(one, start, one.id, draws or KeyedDraws(7))
    return start


def done(name: str, pixels: Pixels, **parameters: Any) -> Pixels:
    return run([step(name, **parameters)], sample(pixels)).picture()


def psnr(left: Pixels, right: Pixels, margin: int = 0) -> float:
    """Decibels between two pictures, without a margin."""
    inner = (slice(margin, left.shape[0] - margin), slice(margin, left.shape[1] - margin))
    error = float(np.mean((fractions(left)[inner] - fractions(right)[inner]) ** 2))
    return 99.0 if error == 0 else -10 * float(np.log10(error))


def ideal(pixels: Pixels, geometry: Geometry, subsamples: int = 8) -> NDArray[np.float64]:
    """Each output pixel as the integral of its area over the linearly interpolated source, black outside it."""
    values = fractions(pixels).astype(np.float32)
    inverse = np.linalg.inv(geometry.matrix)
    total = np.zeros((geometry.size.height, geometry.size.width, pixels.shape[2]))
    for i in range(subsamples):
        for j in range(subsamples):
            x, y = np.meshgrid(
                np.arange(geometry.size.width) + (i + 0.5) / subsamples,
                np.arange(geometry.size.height) + (j + 0.5) / subsamples,
            )
            at = transform(np.stack([x, y], axis=-1), inverse)
            inside = ((at >= 0) & (at <= np.array(geometry.source))).all(axis=-1)
            maps = (at - 0.5).astype(np.float32)
            got = cv2.remap(values, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            total += got.reshape(total.shape) * inside[:, :, None]
    return total / subsamples**2


def size_of(pixels: Pixels) -> Size:
    return Size(pixels.shape[1], pixels.shape[0])
