"""Pixels and targets of any kind as pictures that a person can look at."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.errors import Rejected
from tasks.image.geometry import Polygon
from tasks.image.masks import Mask, moved
from tasks.image.sample import Pixels, Sample
from tasks.pipeline.models import OutputSpec

QUALITY = 60  # of thumbnails: 1.4 kB at 96 px
LIGHT, DARK = (255, 196, 0), (0, 0, 0)  # a light line on a dark one is seen on any picture
COLORS = ((255, 196, 0), (69, 189, 180), (226, 135, 169), (107, 166, 232), (182, 146, 224), (240, 144, 79))
MASKED = 0.45  # how much of a mask's colour covers the picture


def visible(pixels: Pixels) -> tuple[Image.Image, bool]:
    """Give pixels (H x W x C) as an RGB picture, and say whether values were stretched to what a screen shows."""
    stretched = pixels.dtype != np.uint8
    shown = stretch(pixels.astype(np.float32)) if stretched else pixels
    return Image.fromarray(shown[:, :, 0] if shown.shape[2] == 1 else shown).convert("RGB"), stretched


def stretch(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Show any range: the least value black, the greatest white."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scaled = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) * (255 / (high - low) if high > low else 0)
    return scaled.round().astype(np.uint8)


def fitted(image: Image.Image, side: int) -> Image.Image:
    """Shrink a picture to fit a square; enlarge a small one by whole pixels, so that they stay pixels."""
    if max(image.size) > side:
        shrunk = image.copy()
        shrunk.thumbnail((side, side))
        return shrunk
    times = max(1, side // max(image.size))
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def data_uri(image: Image.Image, quality: int = QUALITY) -> str:
    """Give a picture as a WebP data URI."""
    file = io.BytesIO()
    image.save(file, "WEBP", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


@dataclass(frozen=True)
class Marks:
    """What is known of a picture beside its pixels, where it lies on it: in pixels of the whole picture."""

    boxes: list[list[float]] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    outlines: list[list[Polygon]] = field(default_factory=list)
    key_points: list[list[list[float]]] = field(default_factory=list)
    mask: Mask | None = None

    @classmethod
    def of(cls, sample: Sample, output: OutputSpec) -> Marks:
        """Find the marks after all that was done to a sample, dropped as the output drops them."""
        targets, limits = sample.targets, output.boxes
        if not targets:
            return cls()
        placed = targets.placed(sample.whole, limits.min_visibility, limits.min_size)
        outlined = bool(targets.polygons) or targets.rotated is not None
        try:
            points = targets.placed_key_points(placed.kept, sample.whole).tolist()
        except Rejected:  # mirrored, and nothing says which are left and right: make rejects it
            points = []
        return cls(
            placed.boxes.tolist(),
            [targets.categories[i] for i in placed.kept],
            placed.visible if outlined else [],
            points,
            moved(targets.mask, sample.whole, output.masks.fill) if targets.mask is not None else None,
        )


def marked(image: Image.Image, marks: Marks, scale: tuple[float, float]) -> Image.Image:
    """Draw marks on a picture that shows the whole at ``scale`` (across, down)."""
    if marks.mask is not None:
        image = _masked(image, marks.mask)
    if marks.boxes or marks.outlines:
        image = image.copy()
    draw = ImageDraw.Draw(image)
    across, down = scale
    for parts, box in zip(marks.outlines or [[]] * len(marks.boxes), marks.boxes, strict=True):
        for part in parts:
            points = [(x * across, y * down) for x, y in part.tolist()]
            draw.line([*points, points[0]], fill=DARK, width=3, joint="curve")
            draw.line([*points, points[0]], fill=LIGHT, width=1)
        if not parts:
            _rectangle(draw, box, across, down)
    for i, points_of in enumerate(marks.key_points):
        for x, y, seen in points_of:
            if seen:
                dot = [x * across - 2, y * down - 2, x * across + 2, y * down + 2]
                draw.ellipse(dot, fill=COLORS[(i + 1) % len(COLORS)], outline=DARK)
    return image


def _rectangle(draw: ImageDraw.ImageDraw, box: Sequence[float], across: float, down: float) -> None:
    x, y, w, h = box
    outer = [x * across, y * down, max((x + w) * across, x * across), max((y + h) * down, y * down)]
    draw.rectangle(outer, outline=DARK, width=3)
    inner = [outer[0] + 1, outer[1] + 1, max(outer[2] - 1, outer[0] + 1), max(outer[3] - 1, outer[1] + 1)]
    draw.rectangle(inner, outline=LIGHT)


def _masked(image: Image.Image, mask: Mask) -> Image.Image:
    """Lay a mask's classes over a picture, class 0 left free."""
    small: NDArray[Any] = np.asarray(
        Image.fromarray(mask.astype(np.int32)).resize(image.size, Image.Resampling.NEAREST)
    )
    colors = np.array([COLORS[(i - 1) % len(COLORS)] for i in range(int(small.max()) + 1)], dtype=np.float32)
    pixels = np.asarray(image, dtype=np.float32)
    blended = np.where((small > 0)[:, :, None], pixels * (1 - MASKED) + colors[small] * MASKED, pixels)
    return Image.fromarray(blended.round().astype(np.uint8))
