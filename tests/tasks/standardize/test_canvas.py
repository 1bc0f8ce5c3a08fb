"""Letterbox, pads, crops and squares: pixels laid on another canvas."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.image.geometry import Size
from tasks.image.targets import Targets, place
from tasks.operation import Geometric
from tasks.standardize.letterbox import Letterbox
from tasks.standardize.pad import Pad
from tasks.standardize.pad_to_multiple import PadToMultiple
from tasks.standardize.square import Square
from tests.tasks.images import KINDS, RANGES, done, make, picture, run, sample, step

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)
BORDERS = {"reflect": "reflect", "replicate": "edge"}  # in NumPy's words


def box_after(name: str, pixels: Any, **parameters: Any) -> list[float]:
    start = sample(pixels, targets=Targets(np.array([[10.0, 20.0, 30.0, 40.0]]), ("a",)))
    made = run([step(name, **parameters)], start)
    boxes: list[list[float]] = place(made.targets.boxes, made.whole, 0.0, 0.0).boxes.tolist()
    return boxes[0]


@kinds
def test_letterbox_is_resize_with_bars(dtype: str, channels: int) -> None:
    for size in ((97, 71), (1, 1), (31, 90)):
        pixels = picture(*size, dtype, channels)
        assert np.array_equal(done("letterbox", pixels, size=64), done("resize", pixels, size=64, fit="pad"))


@kinds
def test_letterbox_leaves_small_images_as_they_are_where_it_must_not_enlarge(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    made = done("letterbox", pixels, size=[40, 30], upscale=False)
    # Ultralytics' LetterBox: top = round(dh - 0.1), left = round(dw - 0.1), where dh and dw are half of what is left
    assert np.array_equal(made[3:26, 4:35], pixels)
    gray = 114 / 255 * RANGES[dtype]
    outside = np.delete(made.reshape(-1, channels), [y * 40 + x for y in range(3, 26) for x in range(4, 35)], axis=0)
    assert np.allclose(outside, round(gray) if dtype != "float32" else gray)
    assert np.array_equal(done("letterbox", pixels, size=[31, 23]), pixels)
    assert Letterbox().fixed_size(None) == (640, 640)


@kinds
def test_pads_are_numpys(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    around = ((2, 4), (1, 3), (0, 0))
    wanted = np.pad(pixels, around, constant_values=RANGES[dtype])
    assert np.array_equal(done("pad", pixels, padding=[1, 2, 3, 4], fill=1), wanted)
    for border, mode in BORDERS.items():
        made = done("pad", pixels, padding=[1, 2, 3, 4], border=border)
        assert np.array_equal(made, np.pad(pixels, around, mode=mode))  # type: ignore[call-overload]


@kinds
@pytest.mark.parametrize("border", ["constant", "reflect", "replicate"])
def test_one_pixel_is_padded_by_any_border(border: str, dtype: str, channels: int) -> None:
    pixels = picture(1, 1, dtype, channels)
    made = done("pad", pixels, padding=3, border=border)
    assert made.shape == (7, 7, channels) and np.array_equal(made[3, 3], pixels[0, 0])
    if border != "constant":
        assert np.array_equal(made, np.broadcast_to(pixels, made.shape))


def test_padding_is_written_as_torchvision_writes_it() -> None:
    assert Pad(padding=3).padding == (3, 3, 3, 3)  # type: ignore[arg-type]
    assert Pad(padding=(1, 2)).padding == (1, 2, 1, 2)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Pad(padding=-1)  # type: ignore[arg-type]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_crop_or_pad_centers_as_its_convention_says(w: int, h: int, width: int, height: int) -> None:
    pixels = np.arange(w * h, dtype=np.uint16).reshape(h, w, 1)
    made = done("crop_or_pad", pixels, size=[width, height], fill=1)
    left, top = round(abs(width - w) / 2 - 0.1), round(abs(height - h) / 2 - 0.1)  # floor for a cut: the same
    cut = pixels[top if h > height else 0 :, left if w > width else 0 :][:height, :width]
    wanted = np.full((height, width, 1), 65_535, np.uint16)
    y, x = top if height > h else 0, left if width > w else 0
    wanted[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
    assert np.array_equal(made, wanted)


@kinds
def test_crop_or_pad_of_its_own_size_changes_nothing(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    assert np.array_equal(done("crop_or_pad", pixels, size=[97, 71]), pixels)
    assert np.array_equal(done("pad", pixels), pixels)
    assert np.array_equal(done("pad_to_multiple", pixels, multiple=1), pixels)
    assert np.array_equal(done("square", pixels[:71, :71]), pixels[:71, :71])


@pytest.mark.parametrize(
    ("position", "x", "y"), [("top_left", 0, 0), ("top_right", 9, 0), ("bottom_left", 0, 7), ("bottom_right", 9, 7)]
)
def test_corners_hold_what_is_placed_in_them(position: str, x: int, y: int) -> None:
    pixels = picture(31, 23)
    made = done("pad", pixels, size=[40, 30], position=position)
    assert np.array_equal(made[y : y + 23, x : x + 31], pixels)
    assert np.array_equal(done("crop_or_pad", made, size=[31, 23], position=position), pixels)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 64))
def test_sides_become_the_next_multiple(w: int, h: int, multiple: int) -> None:
    width, height = PadToMultiple(multiple=multiple).canvas(Size(w, h))  # type: ignore[arg-type]
    assert width % multiple == height % multiple == 0
    assert 0 <= width - w < multiple and 0 <= height - h < multiple


@kinds
def test_squares_keep_the_longer_or_the_shorter_side(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    padded, cropped = done("square", pixels), done("square", pixels, fit="crop")
    assert padded.shape == (97, 97, channels) and np.array_equal(padded[13:84], pixels)
    assert np.array_equal(cropped, pixels[:, 13:84])
    assert Square().fixed_size(None) is None and Square().fixed_size(Size(5, 8)) == (8, 8)


@pytest.mark.parametrize(
    ("name", "parameters", "wanted"),
    [
        ("pad", {"padding": [1, 2, 3, 4], "border": "reflect"}, [11, 22, 30, 40]),
        ("pad_to_multiple", {"multiple": 64}, [10 + 15, 20 + 28, 30, 40]),
        ("crop_or_pad", {"size": 51}, [0, 10, 17, 40]),
        ("square", {}, [10, 20 + 13, 30, 40]),
        ("letterbox", {"size": 194}, [20, 40 + 26, 60, 80]),
        ("crop_to_content", {"background": "dark", "threshold": 0}, [10, 20, 30, 40]),
    ],
)
def test_boxes_move_with_the_pixels(name: str, parameters: dict[str, Any], wanted: list[float]) -> None:
    assert box_after(name, np.full((71, 97, 3), 9, np.uint8), **parameters) == pytest.approx(wanted, abs=1e-9)


@kinds
@pytest.mark.parametrize("background", ["corners", "dark", "light"])
def test_content_is_what_differs_from_the_background(background: str, dtype: str, channels: int) -> None:
    value = {"corners": 0.5, "dark": 0.0, "light": 1.0}[background]
    pixels = np.full((40, 50, channels), round(value * RANGES[dtype]) if dtype != "float32" else value, dtype)
    pixels[7:19, 11:40, channels - 1] = np.asarray(RANGES[dtype] * (0.2 if value else 0.9)).astype(dtype)
    pixels[0, 20] = np.asarray(RANGES[dtype] * (value - 0.03 if value else 0.03)).astype(dtype)  # noise below threshold
    made = run([step("crop_to_content", background=background)], sample(pixels))
    assert np.array_equal(made.picture(), pixels[7:19, 11:40])
    assert made.lineage[-1].params == {"box": [11, 7, 29, 12]}
    assert np.array_equal(done("crop_to_content", pixels, background=background, margin=9), pixels[:28, 2:49])


@kinds
def test_an_image_without_content_stays_whole(dtype: str, channels: int) -> None:
    for size in ((31, 23), (1, 1)):
        flat = np.zeros((*size[::-1], channels), dtype)
        assert np.array_equal(done("crop_to_content", flat), flat)


def test_what_is_measured_is_recorded_not_random_and_joins_the_group() -> None:
    content, deskew = make("crop_to_content"), make("deskew")
    assert not content.is_random and not deskew.is_random and make("crop_to_content", p=0.5).is_random
    assert content.fixed_size(Size(9, 9)) is None
    pixels = np.zeros((80, 100, 3), np.uint8)
    pixels[20:60, 30:80] = picture(50, 40)
    made = run([step("crop_to_content", background="dark"), step("resize", size=[25, 20])], sample(pixels))
    assert len(made.moves) == 2
    assert np.array_equal(made.picture(), cv2.resize(pixels[20:60, 30:80], (25, 20), interpolation=cv2.INTER_AREA))
    assert isinstance(content, Geometric)
