"""Rotated boxes, key points and polygons lie where the pixels went."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import Rejected
from tasks.image.geometry import Geometry, Move, Size, matrix, rotation, transform
from tasks.image.places import quad, through, turned
from tasks.image.targets import Targets, place
from tests.tasks.images import run, sample, step

SIZE = Size(120, 90)
EDGES = st.floats(8, 30)
quick = settings(max_examples=40, deadline=None)


def whole(*steps: Any) -> Geometry:
    return run([step(one) for one in steps], sample(np.zeros((90, 120, 1), np.uint8))).whole


@quick
@given(st.floats(30, 90), st.floats(30, 60), EDGES, EDGES, st.floats(-180, 180))
def test_the_corners_of_a_rotated_box_are_opencvs(x: float, y: float, w: float, h: float, degrees: float) -> None:
    wanted = np.array(cv2.boxPoints(((x, y), (w, h), -degrees)))
    made = quad([x, y, w, h, degrees])
    assert max(np.abs(wanted - corner).sum(axis=1).min() for corner in made) < 1e-3


@quick
@given(st.floats(50, 70), st.floats(40, 50), EDGES, EDGES, st.floats(-170, 170), st.floats(-60, 60))
def test_rotating_a_rotated_box_adds_the_angles(
    x: float, y: float, w: float, h: float, degrees: float, by: float
) -> None:
    geometry = whole({"rotate": {"degrees": [by, by], "expand": "fit"}})
    made = turned([x, y, w, h, degrees], geometry)
    center = transform(np.array([[x, y]]), geometry.matrix)[0]
    assert np.allclose(made[:4], [*center, w, h], atol=1e-6)
    assert abs((made[4] - degrees - by + 180) % 360 - 180) < 1e-6


@quick
@given(st.floats(50, 70), st.floats(40, 50), EDGES, EDGES, st.floats(-170, 170))
def test_mirroring_a_rotated_box_mirrors_its_angle(x: float, y: float, w: float, h: float, degrees: float) -> None:
    made = turned([x, y, w, h, degrees], whole({"hflip": {"p": 1}}))
    assert np.allclose(made[:4], [120 - x, y, w, h])
    assert abs((made[4] - (180 - degrees) + 180) % 360 - 180) < 1e-6


@quick
@given(st.floats(-80, 80), st.floats(0.5, 2), st.floats(0.5, 2), st.floats(-0.5, 0.5))
def test_a_sheared_box_gets_the_smallest_rectangle_as_opencv_finds_it(
    degrees: float, across: float, down: float, shear: float
) -> None:
    moves = (Move(matrix([[across, shear, 60], [0, down, 60]]), Size(400, 400)),)
    geometry = Geometry(SIZE, moves)
    made = turned([60, 45, 30, 20, degrees], geometry)
    outline, seen = through(quad([60, 45, 30, 20, degrees]), geometry)
    assert np.allclose(outline, seen)
    (_, (w, h), _) = cv2.minAreaRect(outline.astype(np.float32))
    assert made[2] * made[3] == pytest.approx(w * h, rel=1e-3)
    inside = cv2.boxPoints(((made[0], made[1]), (made[2], made[3]), -made[4]))
    assert all(cv2.pointPolygonTest(inside, tuple(point), True) > -1e-2 for point in outline.tolist())


def test_a_rotated_box_that_is_cut_keeps_its_angle() -> None:
    x, y, w, h, degrees = turned([10, 45, 40, 10, 0], whole({"crop": {"box": [5, 0, 100, 90]}}))
    assert [x, y, w, h, degrees] == pytest.approx([12.5, 45, 25, 10, 0])


def test_bounds_leave_out_corners_that_are_only_the_windows() -> None:
    # an angle bracket around the window's corner: both arms are in view, the corner between them is not
    bracket = np.array([[20, 5], [110, 5], [110, 80], [100, 80], [100, 12], [20, 12]], dtype=float)
    found = place(np.array([[20.0, 5, 90, 75]]), whole({"crop": {"box": [0, 9, 104, 60]}}), 0, 0, [[bracket]])
    assert np.allclose(found.boxes[0], [20, 0, 84, 60])
    # the window below: nothing but the arm at its right
    found = place(np.array([[20.0, 5, 90, 75]]), whole({"crop": {"box": [0, 20, 104, 60]}}), 0, 0, [[bracket]])
    assert np.allclose(found.boxes[0], [100, 0, 4, 60])


def test_a_box_with_an_outline_is_tighter_after_a_rotation() -> None:
    disc = np.array([[60 + 20 * np.cos(a), 45 + 20 * np.sin(a)] for a in np.linspace(0, 2 * np.pi, 90)[:-1]])
    box = np.array([[40.0, 25, 40, 40]])
    tilted = whole({"rotate": {"degrees": [45, 45]}})
    assert place(box, tilted, 0, 0).boxes[0, 2] > 56
    assert place(box, tilted, 0, 0, [[disc]]).boxes[0, 2] == pytest.approx(40, abs=0.1)


def test_a_box_around_more_than_is_outlined_stays_its_own() -> None:
    seen = np.array([[40.0, 25], [60, 25], [60, 65], [40, 65]])  # the left half: the rest of it was hidden
    box = np.array([[40.0, 25, 40, 40]])
    found = place(box, whole({"hflip": {"p": 1}}), 0, 0, [[seen]])
    assert found.boxes.tolist() == [[40, 25, 40, 40]]
    assert sorted(found.visible[0][0].tolist()) == [[60, 25], [60, 65], [80, 25], [80, 65]]
    assert place(box, whole({"crop": {"box": [61, 0, 59, 90]}}), 0, 0, [[seen]]).boxes.tolist() == [[0, 25, 19, 40]]
    rounded = np.array([[40.0, 25, 19.3, 40.9]])  # as tools round bounds
    assert place(rounded, whole({"hflip": {"p": 1}}), 0, 0, [[seen]]).boxes.tolist() == [[60, 25, 20, 40]]


def test_outlines_of_nothing_leave_the_box_to_itself() -> None:
    line, point = [1.0, 1, 5, 5, 9, 9], [3.0, 3, 3, 3, 3, 3]
    targets = Targets.read({"boxes": [[1, 1, 8, 8]], "categories": ["a"], "segmentation": [[line, point]]})
    assert targets.polygons == ((),)
    assert targets.placed(whole({"hflip": {"p": 1}}), 0.1, 1).boxes.tolist() == [[111, 1, 8, 8]]


def keyed(**more: Any) -> Targets:
    points = np.array([[[30.5, 20.5, 2], [50.5, 20.5, 1], [0, 0, 0]]])
    return Targets(np.array([[20.0, 10, 60, 60]]), ("face",), key_points=points, **more)


def test_a_mirror_exchanges_left_and_right() -> None:
    targets = keyed(pairs=((0, 1),))
    mirrored, turned_twice = whole({"hflip": {"p": 1}}), whole({"hflip": {"p": 1}}, {"id": "b", "vflip": {"p": 1}})
    assert targets.placed_key_points([0], mirrored).tolist() == [[[69.5, 20.5, 1], [89.5, 20.5, 2], [0, 0, 0]]]
    assert targets.placed_key_points([0], turned_twice).tolist() == [[[89.5, 69.5, 2], [69.5, 69.5, 1], [0, 0, 0]]]


def test_a_mirror_without_pairs_is_refused() -> None:
    with pytest.raises(Rejected, match="pairs") as caught:
        keyed().placed_key_points([0], whole({"hflip": {"p": 1}}))
    assert caught.value.reason == "unpaired_key_points"
    assert keyed(pairs=()).placed_key_points([0], whole({"hflip": {"p": 1}}))[0, 0].tolist() == [89.5, 20.5, 2]
    assert keyed().placed_key_points([0], whole({"rotate": {"degrees": [180, 180]}}))[0, 1, 2] == 1


def test_key_points_out_of_view_lose_their_visibility() -> None:
    cut = whole({"crop": {"box": [40, 0, 80, 90]}}, {"pad": {"padding": 40}})
    assert keyed().placed_key_points([0], cut).tolist() == [[[0, 0, 0], [50.5, 60.5, 1], [0, 0, 0]]]


@quick
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=4), st.floats(20, 100), st.floats(20, 70))
def test_key_points_go_by_the_composed_matrix(angles: list[float], x: float, y: float) -> None:
    steps = [{"id": f"r{i}", "rotate": {"degrees": [a, a], "expand": "fit"}} for i, a in enumerate(angles)]
    geometry = whole(*steps)
    made = Targets(np.array([[0.0, 0, 120, 90]]), ("a",), key_points=np.array([[[x, y, 2]]]))
    wanted = np.array([x, y]) - SIZE.center
    wanted = rotation(sum(angles))[:2, :2] @ wanted + np.array(geometry.size) / 2
    found = made.placed_key_points([0], geometry)[0, 0]
    assert np.abs(found[:2] - wanted).max() < 1.0 * len(angles) and found[2] == 2  # canvases are whole pixels


def test_all_that_belongs_to_an_object_leaves_with_it() -> None:
    square = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
    targets = Targets(
        np.array([[0.0, 0, 10, 10], [50, 50, 10, 10]]),
        ("a", "b"),
        polygons=((square,), (square + 50,)),
        rotated=np.array([[5.0, 5, 10, 10, 0], [55, 55, 10, 10, 0]]),
        key_points=np.array([[[5.0, 5, 2]], [[55, 55, 2]]]),
    )
    found = targets.placed(whole({"crop": {"box": [40, 40, 60, 40]}}), 0.1, 1)
    assert found.kept == [1] and found.dropped == [
        {"box": 0, "reason": "not_visible", "visibility": 0.0, "with": ["segmentation", "rbox", "keypoints"]}
    ]
    left = targets.only([1])
    assert left.categories == ("b",) and left.numbers == (1,) and len(left.polygons) == 1
    assert left.rotated is not None and left.key_points is not None
    assert left.rotated.shape == (1, 5) and left.key_points.shape == (1, 1, 3)
