"""Grayscale and colour spaces against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import color

from tasks.operation import DTYPES
from tests.tasks.images import KINDS, RANGES, done, fractions, picture

dtypes = pytest.mark.parametrize("dtype", DTYPES)


@dtypes
def test_rec709_is_scikit_images_gray(dtype: str) -> None:
    pixels = picture(97, 71, dtype)
    made = done("grayscale", pixels, weights="rec709")
    assert made.shape == (71, 97, 1) and made.dtype == dtype
    tolerance = 1 / 255 if dtype == "uint8" else 5e-4
    assert np.abs(fractions(made)[:, :, 0] - color.rgb2gray(fractions(pixels))).max() <= tolerance


@dtypes
@pytest.mark.parametrize(("weights", "of"), [("rec601", (0.299, 0.587, 0.114)), ("mean", (1 / 3, 1 / 3, 1 / 3))])
def test_weights_are_what_they_say(weights: str, of: tuple[float, ...], dtype: str) -> None:
    pixels = picture(31, 23, dtype)
    made = done("grayscale", pixels, weights=weights)
    assert np.abs(fractions(made)[:, :, 0] - fractions(pixels) @ of).max() * RANGES[dtype] <= (
        0.51 if dtype != "float32" else 1e-6
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_gray_stays_gray_and_white_stays_white(dtype: str) -> None:
    gray = picture(31, 23, dtype, 1)
    assert np.array_equal(done("grayscale", gray), gray)
    rgb = done("convert_color", gray, space="rgb")
    assert rgb.shape == (23, 31, 3) and np.array_equal(rgb[:, :, 1:2], gray)
    assert np.array_equal(done("convert_color", rgb, space="rgb"), rgb)
    back = done("convert_color", rgb, space="gray")
    assert np.abs(fractions(back) - fractions(gray)).max() <= 1e-6


@dtypes
def test_hsv_and_lab_are_scikit_images_as_fractions_of_the_range(dtype: str) -> None:
    pixels = picture(97, 71, dtype)
    tolerance = 0.51 / 255 if dtype == "uint8" else 1e-4
    hsv = fractions(done("convert_color", pixels, space="hsv"))
    wanted = color.rgb2hsv(fractions(pixels))
    apart = np.abs(hsv - wanted)
    apart[:, :, 0] = np.minimum(apart[:, :, 0], 1 - apart[:, :, 0])  # hue is a circle
    assert apart.max() <= tolerance
    lab = fractions(done("convert_color", pixels, space="lab"))
    wanted = (color.rgb2lab(fractions(pixels)) + np.array([0, 128, 128])) / [100, 255, 255]
    assert np.abs(lab - wanted).max() <= tolerance + 1.8e-3  # OpenCV interpolates the gamma


@dtypes
def test_ycrcb_is_full_range_around_the_middle(dtype: str) -> None:
    pixels = picture(31, 23, dtype)
    made, given = fractions(done("convert_color", pixels, space="ycrcb")), fractions(pixels)
    luma = given @ (0.299, 0.587, 0.114)
    assert np.abs(made[:, :, 0] - luma).max() <= 1.01 / 255
    assert np.abs(made[:, :, 1] - (0.5 + 0.713 * (given[:, :, 0] - luma))).max() <= 1.6 / 255


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize("space", ["rgb", "gray", "hsv", "lab", "ycrcb"])
def test_one_pixel_converts(space: str, dtype: str, channels: int) -> None:
    made = done("convert_color", picture(1, 1, dtype, channels), space=space)
    assert made.shape == (1, 1, 1 if space == "gray" else 3) and made.dtype == dtype
