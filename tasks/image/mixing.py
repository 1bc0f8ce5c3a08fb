"""Several images as one: their pixels made alike, their labels weighted, their targets laid on one canvas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.errors import Rejected
from tasks.image.geometry import Move, Polygon, Size, area, scaling
from tasks.image.masks import Mask, moved
from tasks.image.places import bounds, clipped, corners
from tasks.image.render import Base
from tasks.image.sample import Other, Pixels, Sample
from tasks.image.targets import Targets
from tasks.image.values import fractions, from_fractions, luma

Dropped = list[dict[str, Any]]


class Rectangle(NamedTuple):
    """Whole pixels: the left upper corner and the size."""

    x: int
    y: int
    width: int
    height: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Where it lies in an array of pixels."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


def alike(sample: Sample, found: Sequence[Other]) -> tuple[list[Sample], list[dict[str, Any]]]:
    """Give the partners with the sample's dtype and channels, and what the lineage says of them.

    Numbers of boxes go on from the sample's; a parent with boxes says which number its first annotation has.
    """
    others, parents = [], []
    first = sample.targets.next_number
    for other, parent in found:
        own = other.targets.own_numbers
        repainted = other.repainted(_converted(other.picture(), sample.dtype, sample.channels))
        others.append(repainted.annotated(replace(other.targets, numbers=tuple(first + number for number in own))))
        parents.append({**parent, **({"first_box": first} if own else {})})
        first += other.targets.next_number
    return others, parents


def _converted(pixels: Pixels, dtype: str, channels: int) -> Pixels:
    if pixels.shape[2] != channels:
        pixels = luma(pixels)[:, :, None] if channels == 1 else np.repeat(pixels, channels, axis=2)
    return pixels if pixels.dtype.name == dtype else from_fractions(fractions(pixels), np.dtype(dtype))


def stretched(sample: Sample, size: Size) -> Sample:
    """Give a sample on a canvas of ``size``, all of it, whatever its proportions."""
    if sample.size == size:
        return sample
    return sample.moved(Move(scaling(size.width / sample.size.width, size.height / sample.size.height), size))


def mixture(
    sample: Sample, pixels: Pixels, targets: Targets, dropped: Dropped, shares: Iterable[tuple[Sample, float]]
) -> Sample:
    """Go on from a mixed picture: its targets on its own canvas, and labels by the share that each image has of it."""
    weights: dict[str, float] = {}
    for one, share in shares:
        for label, weight in one.weights:
            weights[label] = weights.get(label, 0.0) + share * weight
    labels = tuple((label, weight) for label, weight in sorted(weights.items()) if weight > 0)
    made = replace(sample, base=Base(pixels), before=(), moves=(), curves=(), targets=targets, labels=labels)
    for about in dropped:
        made = made.did("objects", "dropped", about)
    return made


def laid(sample: Sample, at: tuple[int, int] = (0, 0)) -> tuple[Targets, Dropped]:
    """Give a sample's targets as they lie on its canvas by now, the canvas laid ``at`` a place of another one.

    What is not visible any more is dropped; masks stay as large as the sample's canvas.
    """
    targets, geometry = sample.targets, sample.whole
    placed = targets.placed(geometry, 0.0, 0.0)
    kept, shift = targets.only(placed.kept), np.array(at, dtype=np.float64)
    outlined = [bool(targets.polygons and targets.polygons[i]) for i in placed.kept]
    parts = [tuple(part + shift for part in one) for one in placed.visible]
    rotated, points = targets.rotated, targets.key_points
    if rotated is not None:
        turned = np.array(targets.placed_rotated(placed.kept, geometry), dtype=np.float64).reshape(-1, 5)
        rotated = turned + np.array([*at, 0, 0, 0])
    if points is not None:
        points = targets.placed_key_points(placed.kept, geometry)
        points[..., :2] += shift * (points[..., 2:] > 0)
    mask, void = targets.mask, targets.void
    if mask is not None:
        before = np.zeros(mask.shape, np.uint8) if void is None else void.astype(np.uint8)
        mask, void = moved(mask, geometry), moved(before, geometry, fill=1) > 0
    lying = replace(
        kept,
        boxes=placed.boxes + np.array([*at, 0, 0]),
        polygons=tuple(part if has else () for part, has in zip(parts, outlined, strict=True)) if any(outlined) else (),
        rotated=rotated,
        key_points=points,
        mask=mask,
        void=void,
        shares=np.array(placed.shares),
    )
    return lying, placed.dropped


def covered(targets: Targets, canvas: Size, by: Rectangle) -> tuple[Targets, Dropped]:
    """Give targets that lie on a canvas, of which a rectangle is covered: boxes are the bounds of what is still seen.

    Rotated boxes keep their extent; key points under the rectangle are out of view. The mask is left alone.
    """
    windows = _beside(canvas, by)
    kept, boxes, shares, dropped = [], [], [], []
    polygons: list[tuple[Polygon, ...]] = []
    for i, (x, y, width, height) in enumerate(targets.boxes.tolist()):
        box = corners(x, y, width, height)
        seen, share = _seen(box, windows)
        share *= float(targets.shares[i]) if targets.shares is not None else 1.0
        if share == 0.0:
            dropped.append({"box": targets.number(i), "reason": "not_visible", "visibility": 0.0})
            continue
        lefts, tops, rights, bottoms = zip(*(bounds(box, part, part) for part in seen), strict=True)
        kept.append(i)
        boxes.append([min(lefts), min(tops), max(rights) - min(lefts), max(bottoms) - min(tops)])
        shares.append(share)
        own = targets.polygons[i] if targets.polygons else ()
        polygons.append(tuple(part for one in own for part in _seen(one, windows)[0]))
    points = targets.key_points
    if points is not None:
        points = points[kept].copy()
        low, high = np.array([by.x, by.y]), np.array([by.x + by.width, by.y + by.height])
        points[((points[..., :2] > low) & (points[..., :2] < high)).all(axis=-1)] = 0.0
    left = replace(
        targets.only(kept),
        boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        shares=np.array(shares),
        polygons=tuple(polygons) if any(polygons) else (),
        key_points=points,
    )
    return left, dropped


def _beside(canvas: Size, by: Rectangle) -> list[Polygon]:
    """Cut what a rectangle leaves of a canvas into up to four: above, below, left and right of it."""
    right, bottom = by.x + by.width, by.y + by.height
    windows = [
        corners(0, 0, canvas.width, by.y),
        corners(0, bottom, canvas.width, canvas.height - bottom),
        corners(0, by.y, by.x, by.height),
        corners(right, by.y, canvas.width - right, by.height),
    ]
    return [window for window in windows if area(window) > 0]


def _seen(outline: Polygon, windows: Sequence[Polygon]) -> tuple[list[Polygon], float]:
    """Give the parts of an outline in windows that do not overlap, and their share of it."""
    parts = [clipped(outline, window) for window in windows]
    there = [part for part in parts if len(part) > 2 and area(part) > 0]
    whole = area(outline)
    return there, min(1.0, sum(area(part) for part in there) / whole) if whole > 0 else 0.0


def joined(parts: Sequence[Targets], mask: tuple[Mask, NDArray[np.bool_]] | None = None) -> Targets:
    """Give the objects of several targets that lie on one canvas, in order, with a mask that was put together."""
    first, polygons = parts[0], [one.polygons or ((),) * len(one.boxes) for one in parts]
    return replace(
        first,
        boxes=np.concatenate([one.boxes for one in parts]),
        categories=tuple(name for one in parts for name in one.categories),
        polygons=tuple(part for one in polygons for part in one) if any(one.polygons for one in parts) else (),
        rotated=_together([one.rotated for one in parts]),
        key_points=_together([one.key_points for one in parts]),
        numbers=tuple(number for one in parts for number in one.own_numbers),
        shares=np.concatenate([np.ones(len(one.boxes)) if one.shares is None else one.shares for one in parts]),
        mask=mask[0] if mask else None,
        void=mask[1] if mask and mask[1].any() else None,
    )


def _together(values: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    there = [value for value in values if value is not None]
    return np.concatenate(there) if there else None


def assembled(canvas: Size, parts: Sequence[tuple[Rectangle, Targets]]) -> tuple[Mask, NDArray[np.bool_]] | None:
    """Put masks together, each in its rectangle, later ones over earlier ones; nothing where no image has one.

    Raises ``Rejected`` where one has none: what it shows would have no class.
    """
    masks = [one.mask for _, one in parts if one.mask is not None]
    if not masks:
        return None
    if len(masks) < len(parts):
        raise Rejected("no_mask", "one of the images to be mixed has a mask, another has none")
    dtype = np.result_type(*masks)
    mask, void = np.zeros(canvas[::-1], dtype), np.ones(canvas[::-1], dtype=bool)
    for rectangle, one in parts:
        assert one.mask is not None
        mask[rectangle.part] = one.mask
        void[rectangle.part] = one.void if one.void is not None else False
    return mask, void
