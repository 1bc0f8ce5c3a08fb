"""Every geometric operation of the registry takes boxes, polygons, rotated boxes, key points and masks with the pixels.

What an operation makes of a painted object is the reference: it moves a mask of 0 and 1, and a dot, as pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.image.geometry import Polygon
from tasks.image.masks import moved
from tasks.image.places import quad
from tasks.image.sample import Sample
from tasks.image.targets import Targets
from tasks.operation import Expander, KeyedDraws, Step, perform, registry
from tasks.pipeline.rewrite import settles
from tests.tasks.images import make, sample, step

W, H = 160, 120
CROPS = ("tile", "five_crop", "ten_crop", "multi_crop")
GEOMETRIC = sorted(name for name, kind in registry().items() if kind.kind == "geometric" or name in CROPS)
GIVEN: dict[str, dict[str, Any]] = {  # an example that would leave nothing of so small an image to look at
    "crop_to_content": {"margin": 12},
    "crop": {"box": [20, 10, 120, 90]},
    "center_crop": {"size": [130, 100]},
    "five_crop": {"size": 100},
    "ten_crop": {"size": 100},
    "tile": {"size": 100},
}
ROTATED = [86.0, 57.0, 52.0, 34.0, 20.0]
KITE = np.array([[62.0, 30], [112, 44], [106, 78], [88, 66], [70, 84]])  # with a bay below
POINTS = np.array([[80.5, 50.5, 2], [100.5, 55.5, 1]])

MOST = {"elastic": 1.5, "grid_distortion": 1.5}  # px: where a field stretches, half a pixel of an edge is more


def painted(outline: Polygon) -> np.ndarray:
    """How much of each pixel an outline covers."""
    large = np.zeros((H * 8, W * 8), np.uint8)
    cv2.fillPoly(large, [np.rint(outline * 8).astype(np.int32)], 255)
    return np.asarray(cv2.resize(large, (W, H), interpolation=cv2.INTER_AREA))


def dots() -> np.ndarray:
    dot = np.zeros((H, W), np.uint8)
    for x, y, _ in POINTS.tolist():
        cv2.circle(dot, (int(x), int(y)), 3, 255, -1)
    return dot


def samples(name: str, seed: int) -> Iterator[tuple[Sample, Sample, Sample]]:
    """The same moves of a painted kite, a painted rotated box and two dots."""
    operation = make(name, **({"p": 1} if "p" in registry()[name].model_fields else {}), **given_to(name))
    one = Step(id=name, operation=operation)
    draws = KeyedDraws(seed, settles([(name, operation)]))
    targets = Targets(
        np.array([[62.0, 30, 50, 54]]),
        ("kite",),
        polygons=((KITE,),),
        rotated=np.array([ROTATED]),
        key_points=POINTS[None],
        pairs=((0, 1),),
        mask=(painted(KITE) > 127).astype(np.uint8),
    )
    starts = [sample(p[:, :, None], targets=targets) for p in (painted(KITE), painted(quad(ROTATED)), dots())]
    if isinstance(operation, Expander):
        yield from zip(*(operation.expand(start, name, draws) for start in starts), strict=True)
    else:
        kite, box, dot = (perform(one, start, name, draws) for start in starts)
        yield kite, box, dot


def given_to(name: str) -> dict[str, Any]:
    return GIVEN.get(name, dict(registry()[name].example))


def picture(one: Sample) -> np.ndarray:
    """The object alone: a letterbox's gray lies below half."""
    return one.picture()[:, :, 0] > 127


def bounds(seen: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def filled(outlines: list[Polygon], shape: tuple[int, ...]) -> np.ndarray:
    large = np.zeros((shape[0] * 4, shape[1] * 4), np.uint8)
    cv2.fillPoly(large, [np.rint(one * 4 - 0.5).astype(np.int32) for one in outlines], 1)
    return np.asarray(large.reshape(shape[0], 4, shape[1], 4).mean(axis=(1, 3)) > 0.5)


def overlap(left: np.ndarray, right: np.ndarray) -> float:
    return float((left & right).sum() / max(1, (left | right).sum()))


def looked_at(name: str, look: Callable[[Sample, Sample, Sample], bool]) -> None:
    """Look at some draws of an operation; in one at least there must be something to see."""
    found = [look(*one) for seed in range(4) for one in samples(name, seed)]
    assert any(found)


@pytest.mark.parametrize("name", GEOMETRIC)
def test_boxes_polygons_and_masks_are_where_the_object_is(name: str) -> None:
    def look(kite: Sample, box: Sample, dot: Sample) -> bool:
        seen = picture(kite)
        placed = kite.targets.placed(kite.whole, 0.3, 6)
        if not placed.kept:
            return False
        x, y, w, h = placed.boxes[0].tolist()
        assert np.abs(np.array([x, y, x + w, y + h]) - bounds(seen)).max() <= MOST.get(name, 1.0) + sharp(kite)
        assert overlap(filled(placed.visible[0], seen.shape), seen) > 0.95
        mask = moved(kite.targets.mask, kite.whole) if kite.targets.mask is not None else seen
        assert mask.shape == seen.shape and set(np.unique(mask)) <= {0, 1}
        assert overlap(mask > 0, seen) > 0.95
        return True

    looked_at(name, look)


def sharp(one: Sample) -> float:
    """A corner of the object covers less than half of its pixel; what is enlarged shows that the larger."""
    return 0.75 * max(1.0, float(np.sqrt(abs(np.linalg.det(one.whole.matrix[:2, :2])))))


@pytest.mark.parametrize("name", GEOMETRIC)
def test_a_rotated_box_holds_what_is_seen_of_it(name: str) -> None:
    def look(kite: Sample, box: Sample, dot: Sample) -> bool:
        seen = picture(box)
        if not seen.any() or not box.targets.placed(box.whole, 1.0, 6).kept:
            return False
        (rectangle,) = box.targets.placed_rotated([0], box.whole)
        inside = filled([quad(rectangle)], seen.shape)
        assert (seen & ~inside).sum() <= 0.03 * seen.sum()
        assert inside.sum() <= 1.35 * seen.sum()  # a shear, a perspective or a field leaves no rectangle
        return True

    looked_at(name, look)


@pytest.mark.parametrize("name", GEOMETRIC)
def test_key_points_are_where_their_dots_are(name: str) -> None:
    def look(kite: Sample, box: Sample, dot: Sample) -> bool:
        values = np.clip(dot.picture()[:, :, 0].astype(float) - 127, 0, None)
        _, _, about, centers = cv2.connectedComponentsWithStats((values > 0).astype(np.uint8))
        (points,) = dot.targets.placed_key_points([0], dot.whole)
        height, width = values.shape
        found = False
        for x, y, seen in points.tolist():
            if not seen or not (8 < x < width - 8 and 8 < y < height - 8):
                continue
            apart = np.abs(centers[1:] + 0.5 - [x, y]).max(axis=1)
            assert apart.min(initial=99) <= 1.0, about
            found = True
        return found

    looked_at(name, look)


@pytest.mark.parametrize("name", ["hflip", "vflip", "transpose"])
def test_flips_exchange_left_and_right(name: str) -> None:
    for kite, _, _ in samples(name, 0):
        (points,) = kite.targets.placed_key_points([0], kite.whole)
        assert points[:, 2].tolist() == [1, 2]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                {"hflip": {"p": 1}},
                {"rot90": {"p": 1}},
                {"rotate": {"degrees": [-30, 30], "expand": "fit"}},
                {"shear": {}},
                {"perspective": {}},
                {"elastic": {}},
                {"resize": {"size": 140, "fit": "pad"}},
                {"center_crop": {"size": [110, 100]}},
                {"gaussian_blur": {"sigma": 0.3}},
            ]
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 10**6),
)
def test_through_any_chain_all_targets_agree_with_each_other_and_the_pixels(chain: list[Any], seed: int) -> None:
    steps = [step({"id": f"s{i}", **one}) for i, one in enumerate(chain)]
    draws = KeyedDraws(seed, settles([(one.id, one.operation) for one in steps]))
    targets = Targets(
        np.array([[62.0, 30, 50, 54]]), ("kite",), polygons=((KITE,),), mask=(painted(KITE) > 127).astype(np.uint8)
    )
    one = sample(painted(KITE)[:, :, None], targets=targets)
    for each in steps:
        one = perform(each, one, each.id, draws)
    placed = one.targets.placed(one.whole, 0.3, 10)
    seen = picture(one)
    if not placed.kept or targets.mask is None:
        return
    mask = moved(targets.mask, one.whole) > 0
    assert overlap(filled(placed.visible[0], seen.shape), mask) > 0.9
    assert overlap(mask, seen) > 0.85  # resampled up to four times
    x, y, w, h = placed.boxes[0].tolist()
    assert np.abs(np.array([x, y, x + w, y + h]) - bounds(mask)).max() <= 2.5
