"""Polygons and matrices in edge coordinates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.image.geometry import (
    Geometry,
    Move,
    Size,
    about,
    area,
    covers,
    intersection,
    is_exact,
    matrix,
    rotation,
    scaling,
    transform,
    translation,
)

SQUARE = Size(10, 10).corners
numbers = st.floats(-50, 50)


def test_a_positive_angle_turns_counter_clockwise_as_displayed() -> None:
    turned = transform(np.array([[1.0, 0.0]]), rotation(90))
    assert np.allclose(turned, [[0, -1]])  # y points down: up on the screen


@given(numbers, numbers, st.floats(1, 50), st.floats(1, 50), st.booleans(), st.booleans())
def test_the_intersection_of_boxes_is_their_overlap_whichever_way_they_turn(
    x: float, y: float, w: float, h: float, mirror_subject: bool, mirror_window: bool
) -> None:
    box = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
    overlap = max(0.0, min(10, x + w) - max(0, x)) * max(0.0, min(10, y + h) - max(0, y))
    met = intersection(box[::-1] if mirror_subject else box, SQUARE[::-1] if mirror_window else SQUARE)
    assert (area(met) if len(met) > 2 else 0.0) == pytest.approx(overlap, abs=1e-6)


def test_a_window_that_begins_with_a_doubled_corner_still_clips() -> None:
    doubled = np.concatenate([SQUARE[:1], SQUARE])
    assert area(intersection(SQUARE + 5, doubled)) == pytest.approx(25)


def test_clipping_what_touches_an_edge_doubles_no_corner() -> None:
    assert len(intersection(SQUARE, SQUARE)) == 4


@pytest.mark.parametrize("outer", [SQUARE, SQUARE[::-1], np.roll(SQUARE, 1, axis=0)])
def test_a_polygon_covers_itself_and_nothing_larger(outer: np.ndarray) -> None:
    assert covers(outer, SQUARE)
    assert covers(outer, SQUARE * 0.5 + 1)
    assert not covers(outer, SQUARE * 1.001)


def test_exact_is_flips_right_angles_and_whole_pixels_only() -> None:
    assert is_exact(np.eye(3))
    assert is_exact(matrix([[0, 1, 3], [-1, 0, 7]]))
    assert is_exact(translation(3 + 1e-9, -2))
    assert not is_exact(translation(0.5, 0))
    assert not is_exact(scaling(2, 1))
    assert not is_exact(rotation(90 + 1e-3))
    assert not is_exact(matrix([[1, 1, 0], [0, 1, 0]]))


@given(st.floats(-180, 180), st.floats(0.3, 3), st.floats(-20, 20))
def test_a_chain_of_moves_is_the_product_of_their_matrices(degrees: float, scale: float, shift: float) -> None:
    steps = [about((20, 15), rotation(degrees)), scaling(scale, scale), translation(shift, -shift)]
    points = np.array([[0.0, 0.0], [40.0, 30.0], [7.5, 3.25]])
    one_by_one = points
    for by in steps:
        one_by_one = transform(one_by_one, by)
    composed = Geometry(Size(40, 30), tuple(Move(by, Size(40, 30)) for by in steps))
    assert np.allclose(transform(points, composed.matrix), one_by_one, atol=1e-9)


def test_what_a_canvas_on_the_way_cuts_off_stays_cut_off() -> None:
    there, back = translation(-6, 0), translation(6, 0)
    chain = Geometry(Size(10, 10), (Move(there, Size(10, 10)), Move(back, Size(10, 10))))
    assert area(chain.valid) == pytest.approx(40)
    assert math.isclose(chain.valid[:, 0].min(), 6)
