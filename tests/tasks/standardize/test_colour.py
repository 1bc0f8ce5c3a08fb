"""White balance, saturation and hue, against the formulae, Pillow and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from skimage import color

from tests.tasks.images import DTYPES, KINDS, RANGES, done, fractions, picture

LEVEL = 1 / 255
dtypes = pytest.mark.parametrize("dtype", DTYPES)


@dtypes
def test_gray_world_gives_every_channel_the_mean_of_all(dtype: str) -> None:
    pixels = picture(97, 71, dtype)
    means = fractions(pixels).mean(axis=(0, 1))
    wanted = fractions(pixels) * (means.mean() / means)
    made = done("white_balance", pixels)
    if dtype != "float32":
        wanted = wanted.clip(0, 1)
    assert np.abs(fractions(made) - wanted).max() <= (0.51 / RANGES[dtype] if dtype != "float32" else 1e-5)


@dtypes
def test_white_patch_takes_each_channels_greatest_value_to_white(dtype: str) -> None:
    pixels = picture(97, 71, dtype)
    made = done("white_balance", pixels // 2 if dtype != "float32" else pixels / np.float32(2), method="white_patch")
    assert np.allclose(fractions(made).max(axis=(0, 1)), 1, atol=1e-6)
    part = done("white_balance", pixels, method="white_patch", percentile=90)
    gains = 1 / np.percentile(fractions(pixels), 90, axis=(0, 1))
    wanted = fractions(pixels) * gains if dtype == "float32" else (fractions(pixels) * gains).clip(0, 1)
    assert np.abs(fractions(part) - wanted).max() <= (0.51 / RANGES[dtype] if dtype != "float32" else 1e-5)


@dtypes
@pytest.mark.parametrize("method", ["gray_world", "white_patch"])
def test_a_neutral_picture_and_a_missing_channel_stay_as_they_are(method: str, dtype: str) -> None:
    gray = np.repeat(picture(31, 23, dtype, 1), 3, axis=2)
    gray[0, 0] = RANGES[dtype]
    assert np.abs(fractions(done("white_balance", gray, method=method)) - fractions(gray)).max() <= 1e-6
    gray[:, :, 1] = 0
    assert (done("white_balance", gray, method=method)[:, :, 1] == 0).all()
    assert done("white_balance", picture(1, 1, dtype), method=method).shape == (1, 1, 3)


@dtypes
@pytest.mark.parametrize("saturation", [-1, -0.4, 0.5, 2])
def test_saturation_is_pillows_within_2_levels(saturation: float, dtype: str) -> None:
    eight = picture(97, 71)
    # Pillow rounds the gray first
    wanted = np.asarray(ImageEnhance.Color(Image.fromarray(eight)).enhance(1 + saturation)) / 255
    made = fractions(done("saturation", picture(97, 71, dtype), saturation=saturation)).clip(0, 1)
    assert np.abs(made - wanted).max() <= 2.01 * LEVEL


@dtypes
@pytest.mark.parametrize("hue", [-0.5, -0.1, 0.25, 1 / 3])
def test_hue_turns_as_scikit_images_hsv(hue: float, dtype: str) -> None:
    for size in ((97, 71), (1, 1)):
        pixels = picture(*size, dtype)
        values = color.rgb2hsv(fractions(pixels))
        values[:, :, 0] = (values[:, :, 0] + hue) % 1
        made = done("hue", pixels, hue=hue)
        tolerance = 1e-5 if dtype == "float32" else 0.51 / RANGES[dtype] + 1e-5
        assert made.dtype == dtype and np.abs(fractions(made) - color.hsv2rgb(values)).max() <= tolerance


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize(("name", "value"), [("saturation", 0.7), ("hue", 0.3), ("white_balance", None)])
def test_gray_has_no_colour_to_change(name: str, value: float | None, dtype: str, channels: int) -> None:
    gray = np.repeat(picture(31, 23, dtype, 1), channels, axis=2)
    made = done(name, gray, **({} if value is None else {name: value}))
    assert np.abs(fractions(made) - fractions(gray)).max() <= (1.001 * LEVEL if dtype == "uint8" else 2e-5)
