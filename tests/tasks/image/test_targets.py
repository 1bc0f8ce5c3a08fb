"""Boxes lie where the pixels went."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.image.geometry import Size, transform
from tasks.image.sample import Base, Sample
from tasks.image.targets import place
from tasks.operation import KeyedDraws
from tests.tasks.images import run, step

W, H = 120, 90

moves = st.lists(
    st.sampled_from(
        [
            {"hflip": {"p": 1}},
            {"vflip": {"p": 1}},
            {"rot90": {"p": 1}},
            {"rotate": {"degrees": [-25, 25]}},
            {"rotate": {"degrees": [-25, 25], "expand": "fit"}},
            {"resize": {"size": [100, 60]}},
            {"resize": {"size": 80, "fit": "pad"}},
            {"resize": {"size": 70, "fit": "crop"}},
            {"resize": {"size": 75, "fit": "shortest"}},
            {"center_crop": {"size": [90, 70]}},
            {"crop": {"box": [5, 3, 80, 70]}},
        ]
    ),
    min_size=1,
    max_size=4,
)


def mask_of(box: tuple[float, float, float, float]) -> np.ndarray:
    x, y, w, h = box
    mask = np.zeros((H, W, 1), np.float32)
    mask[int(y) : int(y + h), int(x) : int(x + w)] = 1
    return mask


@settings(max_examples=60, deadline=None)
@given(
    moves, st.tuples(st.integers(10, 60), st.integers(10, 45), st.integers(12, 50), st.integers(12, 40)), st.integers()
)
def test_a_box_is_the_bounds_of_its_transformed_mask(chain: list, box: tuple[int, int, int, int], seed: int) -> None:
    steps = [step({"id": f"s{i}", **one}) for i, one in enumerate(chain)]
    start = Sample(Base(mask_of(box)), b"content")
    made = run([*steps], start, KeyedDraws(seed % 2**62))
    # one resampling: an inherited letterbox gray is no mask, so only what is above it counts
    seen = made.picture()[:, :, 0] > 0.5
    placed = place(np.array([box], dtype=np.float64), made.whole, 0.0, 0.0)
    if not seen.any() or not placed.kept or min(placed.boxes[0, 2:]) < 3:
        return
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    bounds = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    x, y, w, h = placed.boxes[0]
    # a corner that is sharper than a pixel covers less than half of its pixel
    assert np.abs(np.array([x, y, x + w, y + h]) - bounds).max() <= 2.5
    assert x - 1 <= bounds[0] and y - 1 <= bounds[1] and x + w + 1 >= bounds[2] and y + h + 1 >= bounds[3]


@pytest.mark.parametrize(
    "chain",
    [
        [{"hflip": {"p": 1}}, {"resize": {"size": [100, 60]}}],
        [{"rot90": {"p": 1}}, {"resize": {"size": 64, "fit": "pad"}}, {"vflip": {"p": 1}}],
        [{"resize": {"size": [240, 180]}}, {"center_crop": {"size": [200, 150]}}],
    ],
)
def test_along_the_axes_a_box_is_within_a_pixel_of_its_mask(chain: list) -> None:
    box = (30, 20, 41, 33)
    made = run([step({"id": f"s{i}", **one}) for i, one in enumerate(chain)], Sample(Base(mask_of(box)), b""))
    seen = made.picture()[:, :, 0] > 0.5
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    x, y, w, h = place(np.array([box], dtype=np.float64), made.whole, 0.1, 1).boxes[0]
    assert np.abs(np.array([x - columns[0], y - rows[0], x + w - columns[-1] - 1, y + h - rows[-1] - 1])).max() <= 1


@settings(max_examples=40, deadline=None)
@given(st.floats(-180, 180), st.sampled_from(["keep", "fit"]))
def test_a_box_is_the_exact_bounds_of_its_corners_after_the_whole_chain(degrees: float, expand: str) -> None:
    x, y, w, h = 45.0, 35.0, 30.0, 20.0
    chain = [
        step({"id": "a", "rotate": {"degrees": [degrees, degrees], "expand": expand}}),
        step({"id": "b", "resize": {"size": [300, 260]}}),
        step({"id": "c", "rotate": {"degrees": [-degrees, -degrees]}}),
    ]
    made = run(chain, Sample(Base(np.zeros((H, W, 1), np.uint8)), b""))
    corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
    for move in made.moves:
        corners = transform(corners, move.matrix)
    low, high = corners.min(axis=0), corners.max(axis=0)
    placed = place(np.array([[x, y, w, h]]), made.whole, 0.1, 1)
    if (low >= 0).all() and (high <= np.array([300, 260])).all():
        assert np.abs(placed.boxes[0] - [*low, *(high - low)]).max() < 0.01


def test_a_box_that_a_canvas_on_the_way_cut_stays_cut_through_a_mirrored_one() -> None:
    chain = [
        {"id": "a", "crop": {"box": [60, 0, 60, 90]}},
        {"id": "b", "hflip": {"p": 1}},
        {"id": "c", "resize": {"size": [120, 90]}},
    ]
    made = run([step(one) for one in chain], Sample(Base(np.zeros((H, W, 1), np.uint8)), b""))
    boxes = np.array([[50.0, 10, 20, 20], [0, 0, 30, 30], [59.5, 10, 20, 20]])
    placed = place(boxes, made.whole, 0.6, 1)
    assert placed.kept == [2]
    assert np.allclose(placed.boxes[0], [81, 10, 39, 20], atol=1e-6)
    assert [d["reason"] for d in placed.dropped] == ["not_visible", "not_visible"]
    assert place(boxes, made.whole, 0.5, 1).kept == [0, 2]  # inclusive


def test_a_box_that_is_wholly_visible_counts_as_one() -> None:
    made = run([step("rotate", degrees=[7, 7])], Sample(Base(np.zeros((H, W, 1), np.uint8)), b""))
    assert place(np.array([[50.0, 40, 10, 10]]), made.whole, 1.0, 1).kept == [0]
    assert place(np.array([[50.0, 40, 0.5, 10]]), made.whole, 0.1, 4).dropped[0]["reason"] == "too_small"


def test_boxes_outlive_a_group_that_has_ended() -> None:
    start = Sample(Base(np.zeros((H, W, 1), np.uint8)), b"")
    flip, blur, rotate = step("hflip", p=1), step("gaussian_blur", sigma=1), step("rotate", degrees=[9, 9])
    boxes = np.array([[50.0, 40, 10, 10]])
    with_blur, without = run([flip, blur, rotate], start), run([flip, rotate], start)
    assert np.allclose(place(boxes, with_blur.whole, 0, 0).boxes, place(boxes, without.whole, 0, 0).boxes)
    assert with_blur.whole.size == Size(W, H)
