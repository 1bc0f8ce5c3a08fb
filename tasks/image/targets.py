"""What is known about an image beside its pixels, and where it lies after the pixels have moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.errors import Rejected
from tasks.image.fractions import in_pixels
from tasks.image.geometry import Geometry, Polygon, Size, area
from tasks.image.masks import Mask
from tasks.image.outlines import from_runs, outlines
from tasks.image.places import bounds, corners, mirrors, points_through, quad, through, turned

BAD: Final = "bad_annotations"
UNPAIRED: Final = "unpaired_key_points"
NEAR: Final = 1.0  # px: tools differ by as much in what the bounds of an outline are


@dataclass(frozen=True)
class Kinds:
    """What a listing's targets hold beside boxes: fixed before any row.

    ``key_points`` names those of every object; ``pairs`` are the numbers of those that a mirror exchanges, nothing
    where the listing does not say.
    """

    polygons: bool = False
    rotated: bool = False
    masks: bool = False
    key_points: tuple[str, ...] = ()
    pairs: tuple[tuple[int, int], ...] | None = None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Kinds:
        """Read them as a version stores them: its JSON has lists where these have tuples."""
        pairs = stored.get("pairs")
        lists = {
            "key_points": tuple(stored.get("key_points", ())),
            "pairs": None if pairs is None else tuple((left, right) for left, right in pairs),
        }
        return cls(**{**stored, **lists})


BOXES: Final = Kinds()  # nothing beside them


@dataclass(frozen=True, eq=False)
class Targets:
    """An image's annotations in the source's edge coordinates.

    ``boxes`` is N x 4, [x, y, width, height], float64; ``categories`` names each box. Of each box: ``polygons``, the
    outlines of its parts (none where it has no segmentation; empty where no box has one); ``rotated`` (N x 5), [center
    x, center y, width, height, degrees]; ``key_points`` (N x K x 3), [x, y, visibility]; ``numbers``, which of the
    source's annotations it is; ``shares``, how much of it mixing with other images left visible (nothing: all).
    ``mask`` (H x W) holds a class index for each pixel, ``void`` (H x W) says which show nothing of any source.
    """

    boxes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    categories: tuple[str, ...] = ()
    polygons: tuple[tuple[Polygon, ...], ...] = ()
    rotated: NDArray[np.float64] | None = None
    key_points: NDArray[np.float64] | None = None
    pairs: tuple[tuple[int, int], ...] | None = None
    mask: Mask | None = None
    numbers: tuple[int, ...] = ()
    shares: NDArray[np.float64] | None = None
    void: NDArray[np.bool_] | None = None

    @classmethod
    def read(
        cls,
        annotations: Mapping[str, Any] | None,
        size: Size | None = None,
        kinds: Kinds = BOXES,
        mask: Mask | None = None,
    ) -> Targets:
        """Read the listing's annotations: ``{"boxes": [[x, y, w, h], ...], "categories": [name, ...]}``.

        Beside these may stand, an item or null a box, ``segmentation`` (lists of polygons as flat lists, or COCO's run
        lengths for an image of ``size``), ``rbox`` and ``keypoints`` (flat); under ``relative`` all but ``rbox`` are
        fractions of ``size``. Raises ``Rejected`` where masks or run lengths are not those of an image of ``size``.
        """
        if mask is not None and size is not None and mask.shape != (size.height, size.width):
            raise Rejected(
                BAD, f"the mask has {mask.shape[1]} x {mask.shape[0]} pixels, the image {size.width} x {size.height}"
            )
        if not annotations:
            return cls(mask=mask)
        if annotations.get("relative") and size is not None:
            annotations = in_pixels(annotations, size)
        boxes = np.asarray(annotations.get("boxes", []), dtype=np.float64).reshape(-1, 4)
        targets = cls(boxes, tuple(annotations.get("categories", [])), mask=mask, numbers=tuple(range(len(boxes))))
        if "segmentation" in annotations:
            targets = replace(targets, polygons=tuple(_polygons(one, size) for one in annotations["segmentation"]))
        if kinds.rotated:
            given = annotations.get("rbox", [None] * len(boxes))
            rotated = [_rotated(box) if one is None else one for box, one in zip(boxes.tolist(), given, strict=True)]
            targets = replace(targets, rotated=np.array(rotated, dtype=np.float64).reshape(-1, 5))
        if kinds.key_points:
            flat = [0.0] * 3 * len(kinds.key_points)
            points = [one or flat for one in annotations.get("keypoints", [None] * len(boxes))]
            shaped = np.array(points, dtype=np.float64).reshape(len(boxes), len(kinds.key_points), 3)
            targets = replace(targets, key_points=shaped, pairs=kinds.pairs)
        return targets

    def __bool__(self) -> bool:
        return len(self.boxes) > 0 or self.mask is not None

    def only(self, kept: Sequence[int]) -> Targets:
        """Give the targets with these of the objects: all that belongs to one leaves with it."""
        at = list(kept)
        return replace(
            self,
            boxes=self.boxes[at],
            categories=tuple(self.categories[i] for i in at),
            polygons=tuple(self.polygons[i] for i in at) if self.polygons else (),
            rotated=self.rotated[at] if self.rotated is not None else None,
            key_points=self.key_points[at] if self.key_points is not None else None,
            numbers=tuple(self.number(i) for i in at),
            shares=self.shares[at] if self.shares is not None else None,
        )

    def number(self, i: int) -> int:
        """Say which of the source's annotations a box is; of a sample without a source, itself."""
        return self.numbers[i] if self.numbers else i

    @property
    def own_numbers(self) -> tuple[int, ...]:
        """The number of each box."""
        return self.numbers or tuple(range(len(self.boxes)))

    @property
    def next_number(self) -> int:
        """The number of a box that is added."""
        return max(self.own_numbers, default=-1) + 1

    def outlines(self) -> tuple[tuple[Polygon, ...], ...]:
        """Give what each box is drawn around: the parts of its segmentation, else its rotated box; empty: itself."""
        parts: tuple[tuple[Polygon, ...], ...] = self.polygons or ((),) * len(self.boxes)
        if self.rotated is None:
            return self.polygons
        return tuple(part or (quad(one),) for part, one in zip(parts, self.rotated.tolist(), strict=True))

    def with_regions(self, regions: Sequence[tuple[str, tuple[Polygon, ...]]]) -> Targets:
        """Give the targets with more objects after them: a category and the outlines of its parts each."""
        ends = [np.concatenate(parts) for _, parts in regions]
        boxes = np.array([[*points.min(axis=0), *np.ptp(points, axis=0)] for points in ends]).reshape(-1, 4)
        count, first = len(self.boxes), self.next_number
        rotated, points = self.rotated, self.key_points
        if rotated is not None:
            rotated = np.concatenate([rotated, np.array([_rotated(box) for box in boxes.tolist()]).reshape(-1, 5)])
        if points is not None:
            points = np.concatenate([points, np.zeros((len(boxes), *points.shape[1:]))])
        return replace(
            self,
            boxes=np.concatenate([self.boxes, boxes]),
            categories=(*self.categories, *(name for name, _ in regions)),
            polygons=(*(self.polygons or ((),) * count), *(parts for _, parts in regions)),
            rotated=rotated,
            key_points=points,
            numbers=(*self.own_numbers, *range(first, first + len(boxes))),
            shares=np.concatenate([self.shares, np.ones(len(boxes))]) if self.shares is not None else None,
        )

    def placed(self, geometry: Geometry, min_visibility: float, min_size: float) -> Placed:
        """Take all objects through a whole chain at once; see ``place``."""
        found = place(self.boxes, geometry, min_visibility, min_size, self.outlines(), self.shares)
        for one in found.dropped:
            with_it = [name for name, has in self._parts(one["box"]) if has]
            one.update({"box": self.number(one["box"]), **({"with": with_it} if with_it else {})})
        return found

    def _parts(self, i: int) -> list[tuple[str, bool]]:
        return [
            ("segmentation", bool(self.polygons and self.polygons[i])),
            ("rbox", self.rotated is not None),
            ("keypoints", self.key_points is not None and bool(self.key_points[i, :, 2].any())),
        ]

    def placed_rotated(self, kept: Sequence[int], geometry: Geometry) -> list[list[float]]:
        """Give the rotated boxes of the kept objects after the moves."""
        if self.rotated is None:
            return []
        return [turned(self.rotated[i].tolist(), geometry) for i in kept]

    def placed_key_points(self, kept: Sequence[int], geometry: Geometry) -> NDArray[np.float64]:
        """Give the key points (N x K x 3) of the kept objects after the moves.

        Those out of view are [0, 0, 0], as those that were never seen. A mirror exchanges left and right: ``Rejected``
        where the listing does not say which those are.
        """
        if self.key_points is None:
            return np.zeros((0, 0, 3))
        points = self.key_points[list(kept)]
        if points[..., 2].any() and mirrors(geometry):
            if self.pairs is None:
                raise Rejected(
                    UNPAIRED,
                    "a mirrored image exchanges left and right key points, and none are named so; give the category's "
                    "`pairs` in the annotations ([] for none), or leave the mirroring out",
                )
            order = np.arange(points.shape[1])
            for left, right in self.pairs:
                order[[left, right]] = right, left
            points = points[:, order]
        moved, seen = points_through(points[..., :2].reshape(-1, 2), geometry)
        seen = seen.reshape(points.shape[:2]) & (points[..., 2] > 0)
        made = np.concatenate([moved.reshape(*points.shape[:2], 2), points[..., 2:]], axis=2)
        return np.where(seen[..., None], made, 0.0)


def _polygons(segmentation: Any, size: Size | None) -> tuple[Polygon, ...]:
    if not isinstance(segmentation, Mapping):
        found = (np.array(flat, dtype=np.float64).reshape(-1, 2) for flat in segmentation or ())
        return tuple(one for one in found if area(one) > 0)  # a line outlines nothing
    height, width = segmentation["size"]
    if size is not None and size != (width, height):
        raise Rejected(
            BAD, f"a segmentation is of {width} x {height} pixels, the image has {size.width} x {size.height}"
        )
    try:
        return outlines(from_runs([height, width], segmentation["counts"]))
    except ValueError as error:
        raise Rejected(BAD, f"a segmentation cannot be read: {error}") from error


def _rotated(box: list[float]) -> list[float]:
    x, y, width, height = box
    return [x + width / 2, y + height / 2, width, height, 0.0]


@dataclass(frozen=True)
class Placed:
    """Boxes after the pixels moved: those kept, which source boxes they are, and those dropped with the reason.

    ``visible`` holds, for each box kept, the outlines of what is visible of its parts; ``shares``, how much that is of
    all of it.
    """

    boxes: NDArray[np.float64]
    kept: list[int]
    dropped: list[dict[str, Any]]
    visible: list[list[Polygon]]
    shares: list[float]


def place(
    boxes: NDArray[np.float64],
    geometry: Geometry,
    min_visibility: float,
    min_size: float,
    outlines: Sequence[Sequence[Polygon]] = (),
    shares: NDArray[np.float64] | None = None,
) -> Placed:
    """Take boxes through a whole chain at once: four corners mapped, clipped by what is visible, bounds taken last.

    A box that is the bounds of its ``outlines`` is those of them afterwards too, which is tighter. Visibility is the
    visible part of the mapped area against all of it (inclusive at 1.0, counted from the source: ``shares`` say how
    much of each was visible before). A box under ``min_visibility``, or narrower or lower than ``min_size`` pixels, is
    dropped.
    """
    placed: list[list[float]] = []
    kept: list[int] = []
    dropped: list[dict[str, Any]] = []
    visible: list[list[Polygon]] = []
    visibilities: list[float] = []
    window = _window(geometry)
    for i, (x, y, w, h) in enumerate(boxes.tolist()):
        box, own = corners(x, y, w, h), outlines[i] if outlines else ()
        drawn = [through(part, geometry) for part in own]
        parts = drawn if own and _is_bounds(box, own) else [through(box, geometry)]
        total = sum(area(whole) for whole, _ in parts)
        in_view = [(whole, seen) for whole, seen in parts if len(seen) > 2]
        visibility = min(1.0, sum(area(seen) for _, seen in in_view) / total) if total > 0 else 0.0
        visibility *= float(shares[i]) if shares is not None else 1.0
        lefts, tops, rights, bottoms = zip(*(bounds(*part, window) for part in in_view or parts[:1]), strict=True)
        left, top, right, bottom = min(lefts), min(tops), max(rights), max(bottoms)
        width, height = right - left, bottom - top
        if visibility < min_visibility - 1e-9 or visibility == 0.0:
            dropped.append({"box": i, "reason": "not_visible", "visibility": round(visibility, 6)})
        elif min(width, height) < min_size - 1e-9:
            dropped.append({"box": i, "reason": "too_small", "width": round(width, 6), "height": round(height, 6)})
        else:
            kept.append(i)
            placed.append([left, top, width, height])
            visible.append([seen for _, seen in drawn or parts if len(seen) > 2])
            visibilities.append(visibility)
    return Placed(np.array(placed, dtype=np.float64).reshape(-1, 4), kept, dropped, visible, visibilities)


def _is_bounds(box: Polygon, outlines: Sequence[Polygon]) -> bool:
    """Say whether a box was drawn around its outlines, and not around more than is outlined."""
    points = np.concatenate(outlines)
    return bool(max(np.abs(points.min(axis=0) - box[0]).max(), np.abs(points.max(axis=0) - box[2]).max()) <= NEAR)


def _window(geometry: Geometry) -> Polygon:
    """Give what outlines are cut by last."""
    return geometry.size.corners if geometry.warps or len(geometry.valid) < 3 else geometry.valid
