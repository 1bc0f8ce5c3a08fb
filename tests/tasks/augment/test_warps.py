"""Elastic, grid and optical distortion: their fields against formulas, and boxes against moved masks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tasks.augment.warp import Warp
from tasks.image.geometry import Geometry, Move, Size
from tasks.image.sample import Sample
from tasks.image.targets import Targets, place
from tasks.operation import KeyedDraws
from tests.tasks.images import KINDS, done, fractions, make, picture, run, sample, step

FIELDS: list[tuple[str, dict[str, Any]]] = [
    ("elastic", {"shift": 0.015, "sigma": 0.06}),
    ("grid_distortion", {"distortion": [-0.5, 0.5]}),
    ("optical_distortion", {"distortion": 0.4}),
    ("optical_distortion", {"distortion": -0.2}),
]


def drawn(name: str, start: Sample, **parameters: Any) -> tuple[Sample, NDArray[np.float32]]:
    made = run([step(name, **parameters)], start)
    operation = make(name, **parameters)
    assert isinstance(operation, Warp)
    return made, operation.field(start.size, **made.lineage[0].params)


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize(("name", "parameters"), FIELDS)
def test_each_pixel_is_taken_from_where_the_field_says(
    name: str, parameters: dict[str, Any], dtype: str, channels: int
) -> None:
    pixels = picture(97, 71, dtype, channels)
    made, field = drawn(name, sample(pixels), **parameters, border="replicate")
    y, x = np.mgrid[0:71, 0:97]
    for channel in range(channels):
        at = [y + field[:, :, 1], x + field[:, :, 0]]
        wanted = ndimage.map_coordinates(fractions(pixels)[:, :, channel], at, order=1, mode="nearest")
        assert np.abs(fractions(made.picture())[:, :, channel] - wanted).max() <= (
            0.6 / 255 if dtype == "uint8" else 1e-4
        )


@pytest.mark.parametrize("border", ["constant", "reflect", "replicate"])
def test_what_opens_is_what_border_says(border: str) -> None:
    made = done("optical_distortion", np.full((40, 40, 1), 100, np.uint8), distortion=0.5, border=border, fill=1)
    assert made[0, 0, 0] == (255 if border == "constant" else 100)


def test_elastic_moves_by_the_shift_that_was_asked_for_and_smoothly() -> None:
    for size in (Size(97, 71), Size(400, 300)):
        field = make("elastic").field(size, shift=0.02, sigma=0.08, seed=5)  # type: ignore[attr-defined]
        assert np.sqrt(np.mean(field.astype(np.float64) ** 2, axis=(0, 1))) == pytest.approx(0.02 * min(size), rel=1e-3)
        slope = np.sqrt(np.mean(np.diff(field, axis=1) ** 2)) / (0.02 * min(size))
        assert 0.4 < slope * 0.08 * min(size) < 1.1  # 1/sqrt 2 for a Gaussian blur of white noise
    assert not np.array_equal(field, make("elastic").field(size, shift=0.02, sigma=0.08, seed=6))  # type: ignore[attr-defined]


def test_grid_distortion_fills_its_canvas_with_columns_of_the_widths_drawn() -> None:
    operation = make("grid_distortion", cells=2)
    field = operation.field(Size(100, 10), x=[0.0, 0.5], y=[0.0, 0.0])  # type: ignore[attr-defined]
    assert np.allclose(field[:, :40, 0], (np.arange(40) + 0.5) * 0.25, atol=1e-4)  # 40 px show 50, then 60 show 50
    assert np.allclose(np.diff(field[0, 41:, 0]), 50 / 60 - 1, atol=1e-4) and not field[:, :, 1].any()


def test_optical_distortion_is_browns_first_term() -> None:
    field = make("optical_distortion").field(Size(61, 61), distortion=0.1)  # type: ignore[attr-defined]
    x = np.arange(61) - 30.0
    assert np.allclose(field[30, :, 0], 0.1 * x * (x / (61 * 2**0.5 / 2)) ** 2, atol=1e-5)


@pytest.mark.parametrize(("name", "parameters"), FIELDS)
def test_boxes_are_the_bounds_of_their_moved_masks(name: str, parameters: dict[str, Any]) -> None:
    for seed in range(6):
        boxes = np.array([[40.0, 50.0, 60.0, 45.0], [110.0, 20.0, 70.0, 30.0]])
        for box in boxes:
            x, y, w, h = box.astype(int)
            mask = np.zeros((150, 200, 1), np.float32)
            mask[y : y + h, x : x + w] = 1
            start = sample(mask, targets=Targets(box[None], ("a",)))
            made = run([step(name, **parameters)], start, KeyedDraws(seed))
            (left, top, width, height) = place(made.targets.boxes, made.whole, 0.0, 0.0).boxes[0]
            shown = np.nonzero(made.picture()[:, :, 0] > 0.5)
            bounds = [shown[1].min(), shown[0].min(), shown[1].max() + 1, shown[0].max() + 1]
            # half a pixel of the box, half of the mask's own
            assert np.abs(np.array([left, top, left + width, top + height]) - bounds).max() <= 1.0


@pytest.mark.parametrize(("name", "parameters"), FIELDS)
def test_boxes_are_exact_to_a_tenth_of_a_pixel_on_finer_masks(name: str, parameters: dict[str, Any]) -> None:
    """The field of a small image, enlarged: bounds of a mask with 16 times its pixels."""
    made, field = drawn(name, sample(np.zeros((60, 80, 1), np.uint8)), **parameters)
    box = np.array([[22.0, 14.0, 30.0, 25.0]])
    (left, top, width, height) = place(
        box, Geometry(Size(80, 60), (Move(np.eye(3), Size(80, 60), warp=field),)), 0, 0
    ).boxes[0]
    fine = (np.arange(80 * 16) + 0.5) / 16, (np.arange(60 * 16) + 0.5) / 16
    x, y = np.meshgrid(*fine)
    shift = [ndimage.map_coordinates(field[:, :, i], [y - 0.5, x - 0.5], order=1, mode="nearest") for i in (0, 1)]
    inside = (np.abs(x + shift[0] - 37) <= 15) & (np.abs(y + shift[1] - 26.5) <= 12.5)
    shown = np.nonzero(inside)
    bounds = np.array([shown[1].min(), shown[0].min(), shown[1].max() + 1, shown[0].max() + 1]) / 16
    assert np.abs(np.array([left, top, left + width, top + height]) - bounds).max() <= 0.1
    assert json.loads(json.dumps(made.lineage[0].params)) == made.lineage[0].params


def test_a_field_stands_in_a_chain_with_matrices() -> None:
    mask = np.zeros((120, 160, 1), np.float32)
    mask[30:70, 50:110] = 1
    start = sample(mask, targets=Targets(np.array([[50.0, 30.0, 60.0, 40.0]]), ("a",)))
    chain = [step("translate", x=0.1, y=0.1), step("elastic"), step("resize", size=[320, 240]), step("hflip", p=1)]
    made = run(chain, start)
    left, top, width, height = place(made.targets.boxes, made.whole, 0.0, 0.0).boxes[0]
    shown = np.nonzero(made.picture()[:, :, 0] > 0.5)
    bounds = [shown[1].min(), shown[0].min(), shown[1].max() + 1, shown[0].max() + 1]
    assert np.abs(np.array([left, top, left + width, top + height]) - bounds).max() <= 1.5  # of a canvas twice as large


def test_what_a_field_pushes_out_is_cut_and_counts_as_hidden() -> None:
    box = np.array([[0.0, 0.0, 30.0, 30.0]])
    made = run([step("optical_distortion", distortion=-0.25)], sample(picture(200, 200), targets=Targets(box, ("a",))))
    placed = place(box, made.whole, 0.0, 0.0)
    assert np.allclose(placed.boxes[0, :2], 0) and placed.boxes[0, 2] < 30
    assert place(box, made.whole, 1.0, 0.0).dropped[0]["reason"] == "not_visible"
