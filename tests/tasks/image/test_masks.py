"""Masks move by nearest, once, from the source: as OpenCV, Pillow, NumPy and scikit-image move them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import transform as reference

from tasks.image.geometry import Geometry, Move, Size, rotation, scaling, translation
from tasks.image.masks import _along_the_axes, moved
from tests.tasks.images import run, sample, step

dtypes = pytest.mark.parametrize("dtype", ["uint8", "uint16"])


def indices(width: int = 97, height: int = 71, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(5).integers(0, np.iinfo(dtype).max + 1, (height, width)).astype(dtype)


def through(mask: np.ndarray, *steps: Any, fill: int = 0) -> np.ndarray:
    start = sample(np.zeros((*mask.shape, 1), np.uint8))
    return moved(mask, run([step(one) for one in steps], start).whole, fill)


@dtypes
@pytest.mark.parametrize("source", [(97, 71), (10, 7), (1, 1), (1, 9), (64, 64)])
@pytest.mark.parametrize("size", [(40, 30), (97, 71), (200, 150), (1, 1), (33, 142)])
def test_resizes_are_those_of_opencv_and_pillow(source: tuple[int, int], size: tuple[int, int], dtype: str) -> None:
    mask = indices(*source, dtype)
    made = through(mask, {"resize": {"size": [*size], "interpolation": "cubic"}})
    assert made.dtype == mask.dtype
    # a centre that falls on an edge belongs to the pixel after it; they round that either way
    rows, columns = (
        np.flatnonzero((2 * np.arange(after) + 1) * before % (2 * after)) if before != after else np.arange(after)
        for before, after in zip(source[::-1], size[::-1], strict=True)
    )
    clear = np.ix_(rows, columns)
    assert np.array_equal(made[clear], cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)[clear])
    if dtype == "uint8":
        pillow = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        assert np.array_equal(made[clear], pillow[clear])
    exact = [(2 * np.arange(after) + 1) * before // (2 * after) for before, after in zip(source, size, strict=True)]
    assert np.array_equal(made, mask[np.ix_(exact[1], exact[0])])


@dtypes
@pytest.mark.parametrize("size", [(97, 71), (1, 1), (1, 8), (2, 3)])
def test_flips_turns_and_crops_are_copies(size: tuple[int, int], dtype: str) -> None:
    mask = indices(*size, dtype)
    assert through(mask) is mask
    assert np.array_equal(through(mask, {"hflip": {"p": 1}}), mask[:, ::-1])
    assert np.array_equal(through(mask, {"vflip": {"p": 1}}), mask[::-1])
    assert np.array_equal(through(mask, {"transpose": {"p": 1}}), mask.T)
    assert np.array_equal(through(mask, {"rotate": {"degrees": [90, 90], "expand": "fit"}}), np.rot90(mask))
    padded = through(mask, {"pad": {"padding": [1, 2, 3, 4], "border": "reflect"}}, fill=200)
    assert np.array_equal(padded, np.pad(mask, ((2, 4), (1, 3)), constant_values=200))


def test_what_a_canvas_cut_off_stays_away() -> None:
    mask = indices()
    steps = [{"crop": {"box": [20, 10, 30, 40]}}, {"pad": {"padding": 12}}, {"id": "m", "hflip": {"p": 1}}]
    expected = np.pad(mask[10:50, 20:50], 12)[:, ::-1]
    assert np.array_equal(through(mask, *steps), expected)
    turned = through(mask, *steps, {"rotate": {"degrees": [180, 180]}})
    assert np.array_equal(turned, expected[::-1, ::-1])


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-180, 180), st.floats(0.4, 2.5), st.floats(0.4, 2.5), st.tuples(st.integers(5, 120), st.integers(5, 120))
)
def test_warps_are_those_of_scikit_image(degrees: float, across: float, down: float, size: tuple[int, int]) -> None:
    mask = indices(61, 47)
    matrix = translation(*Size(*size).center) @ rotation(degrees) @ scaling(across, down) @ translation(-30.5, -23.5)
    made = moved(mask, Geometry(Size(61, 47), (Move(matrix, Size(*size)),)))
    centers = translation(-0.5, -0.5) @ matrix @ translation(0.5, 0.5)
    wanted = reference.warp(mask, np.linalg.inv(centers), output_shape=size[::-1], order=0, preserve_range=True)
    inner = reference.warp(np.ones_like(mask), np.linalg.inv(centers), output_shape=size[::-1], order=1) > 200 / 255
    assert (made == wanted)[inner].mean() > 0.99 if inner.any() else True  # it rounds what lies on an edge otherwise


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                {"hflip": {"p": 1}},
                {"vflip": {"p": 1}},
                {"transpose": {"p": 1}},
                {"rot90": {"p": 1}},
                {"resize": {"size": [101, 60]}},
                {"resize": {"size": 80, "fit": "pad"}},
                {"resize": {"size": 70, "fit": "crop"}},
                {"center_crop": {"size": [90, 50]}},
                {"crop": {"box": [5, 3, 60, 40]}},
                {"pad": {"padding": [3, 0, 5, 9]}},
            ]
        ),
        min_size=1,
        max_size=5,
    )
)
def test_along_the_axes_the_quick_way_is_the_long_one(chain: list[Any]) -> None:
    mask = indices()
    start = sample(np.zeros((*mask.shape, 1), np.uint8))
    whole = run([step({"id": f"s{i}", **one}) for i, one in enumerate(chain)], start).whole
    quick = _along_the_axes(mask, whole, 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.image.masks._along_the_axes", lambda *_: None)
        long = moved(mask, whole, 7)
    assert quick is not None and np.array_equal(quick, long)
