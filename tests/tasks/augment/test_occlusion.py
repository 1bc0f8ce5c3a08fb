"""Parts that are missing, and weather: where they lie, how much they cover, and that the rest stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from tasks.augment.clouds import clouds, smooth
from tasks.image.geometry import Size
from tasks.operation import KeyedDraws
from tests.tasks.images import KINDS, RANGES, done, fractions, make, picture, run, sample, step

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)


@kinds
def test_erasing_fills_the_box_that_was_drawn_and_nothing_else(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    shares = []
    for seed in range(30):
        made = run([step("erasing", fill=1)], sample(pixels), KeyedDraws(seed))
        x, y, width, height = made.lineage[0].params["box"]
        wanted = pixels.copy()
        wanted[y : y + height, x : x + width] = RANGES[dtype]
        assert np.array_equal(made.picture(), wanted) and 0.25 < width / height < 4
        shares.append(width * height / (97 * 71))
    assert 0.015 < min(shares) < 0.1 and 0.2 < max(shares) < 0.35
    line = run([step("erasing", scale=1, ratio=1)], sample(pixels[:1]))
    assert line.lineage[0].params["box"] is None and np.array_equal(line.picture(), pixels[:1])


@kinds
def test_coarse_dropout_cuts_its_holes(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    made = run([step("coarse_dropout", holes=[2, 5], width=0.1, height=[0.2, 0.3], fill=0.5)], sample(pixels))
    boxes, wanted = made.lineage[0].params["boxes"], pixels.copy()
    assert 2 <= len(boxes) <= 5
    for x, y, width, height in boxes:
        assert x >= 0 and y >= 0 and x + width <= 97 and y + height <= 71 and width == 10 and 14 <= height <= 22
        wanted[y : y + height, x : x + width] = {"uint8": 128, "uint16": 32768, "float32": 0.5}[dtype]
    assert np.array_equal(made.picture(), wanted)
    assert np.array_equal(done("coarse_dropout", pixels, holes=0), pixels)


@kinds
def test_grid_mask_hides_squares_in_a_grid(dtype: str, channels: int) -> None:
    pixels = np.full_like(picture(120, 120, dtype, channels), RANGES[dtype])
    made = run([step("grid_mask", unit=0.25, ratio=0.6)], sample(pixels))
    hidden = made.picture()[:, :, 0] == 0
    assert made.lineage[0].params["unit"] == 30 and hidden.mean() == pytest.approx(0.4**2)
    assert np.array_equal(hidden[:90], hidden[30:]) and np.array_equal(hidden[:, :90], hidden[:, 30:])
    assert np.array_equal(done("grid_mask", pixels, ratio=1), pixels)


@kinds
def test_a_shadow_darkens_by_its_strength_between_two_lines(dtype: str, channels: int) -> None:
    pixels = np.full_like(picture(97, 71, dtype, channels), RANGES[dtype])
    axes = set()
    for seed in range(8):
        made = run([step("shadow", strength=0.4, softness=0)], sample(pixels), KeyedDraws(seed))
        p, values = made.lineage[0].params, fractions(made.picture())[:, :, 0]
        assert np.abs(values[(values > 0.61) & (values < 0.99)]).size < 6 * 97 and values.min() >= 0.598
        at = (np.arange(values.shape[p["axis"]]) + 0.5) / values.shape[p["axis"]]
        low, high = (np.clip(p["start"][i] + (p["end"][i] - p["start"][i]) * at, 0, 1) for i in (0, 1))
        assert (1 - values).mean() / 0.4 == pytest.approx(np.mean(high - low), abs=0.02)
        axes.add(p["axis"])
    assert axes == {0, 1}
    assert np.array_equal(done("shadow", pixels, strength=0), pixels)


@kinds
def test_fog_mixes_with_white_between_half_and_all_of_its_density(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    share = (fractions(done("fog", pixels, density=0.6)) - fractions(pixels)) / np.maximum(1 - fractions(pixels), 0.2)
    share = share[fractions(pixels) < 0.7]
    assert share.min() > 0.29 and share.max() < 0.61 and np.ptp(share) > 0.25
    assert np.ptp(done("fog", np.full_like(pixels, RANGES[dtype]))) == 0


def test_clouds_are_stretched_and_smooth_noise_has_its_spread_and_scale() -> None:
    field = clouds(np.random.default_rng(1), Size(97, 71))
    assert field.min() == 0 and field.max() == pytest.approx(1) and field.shape == (71, 97)
    noise = smooth(np.random.default_rng(1), Size(400, 300), 6, 2)
    assert np.mean(noise**2, axis=(0, 1)) == pytest.approx(1, rel=1e-4)
    near = np.mean(noise[:, 6:] * noise[:, :-6])
    assert near == pytest.approx(np.exp(-1 / 4), abs=0.1)  # the autocorrelation of a Gaussian blur by 6, 6 px apart
    assert clouds(np.random.default_rng(1), Size(1, 1)).tolist() == [[0]]


@kinds
def test_rain_snow_and_sun_lighten_parts_of_the_image(dtype: str, channels: int) -> None:
    dark = np.zeros_like(picture(120, 120, dtype, channels))
    rain = fractions(done("rain", dark, amount=0.005, length=0.1, degrees=0))[:, :, 0]
    assert 0.3 < (rain > 0.03).mean() / (0.005 * 13) < 1.1 and rain.max() <= 0.65
    runs = np.abs(np.diff(rain, axis=0)).mean() / np.abs(np.diff(rain, axis=1)).mean()
    assert runs < 0.3  # streaks stand upright
    snow = fractions(done("snow", dark, amount=0.15, haze=0, size=0.02))[:, :, 0]
    assert 0.1 < (snow > 0.02).mean() < 0.16 and snow.max() > 0.9
    sun = fractions(done("sun_flare", dark, x=0.25, y=0.25, radius=0.3, strength=0.8))[:, :, 0]
    assert np.unravel_index(sun.argmax(), sun.shape) == pytest.approx((30, 30), abs=1) and 0.75 < sun.max() < 0.86
    assert sun[0, 119] < 0.01


def test_rain_leans_as_it_says() -> None:
    streaks = done("rain", np.zeros((200, 200, 1), np.float32), amount=0.001, length=0.15, degrees=30, darkening=0)[
        :, :, 0
    ]
    down, across = np.gradient(cv2.GaussianBlur(streaks, (0, 0), 1.5))
    angle = 0.5 * np.degrees(np.arctan2(2 * (across * down).sum(), (across**2 - down**2).sum()))
    assert angle == pytest.approx(-30, abs=4)  # across the streaks: their lower ends lie to the right


@pytest.fixture
def stamp(tmp_path: Path) -> Path:
    pixels = np.zeros((20, 30, 4), np.uint8)
    pixels[:, :, 2] = 255  # red: OpenCV writes BGR
    pixels[:, 15:, 3] = 255
    cv2.imwrite(str(tmp_path / "stamp.png"), pixels)
    return tmp_path / "stamp.png"


@kinds
def test_an_overlay_covers_by_its_alpha_and_opacity(stamp: Path, dtype: str, channels: int) -> None:
    pixels = picture(90, 60, dtype, channels)
    made = done("overlay", pixels, picture=str(stamp), scale=0.5, x=1, y=0, opacity=0.75)
    wanted = fractions(pixels).copy()
    red = [1, 0, 0] if channels == 3 else [0.299]
    wanted[:30, 68:] = 0.25 * wanted[:30, 68:] + 0.75 * np.array(red)
    assert (
        np.abs(fractions(made) - wanted)[:, :67].max() <= 1e-6 and np.abs(fractions(made) - wanted)[31:].max() <= 1e-6
    )
    assert np.abs(fractions(made) - wanted)[:30, 69:].max() <= (0.6 / 255 if dtype == "uint8" else 1e-4)
    assert np.array_equal(done("overlay", pixels, picture=str(stamp), opacity=0), pixels)


def test_an_overlays_content_decides_not_its_path(stamp: Path, tmp_path: Path) -> None:
    other = tmp_path / "same.png"
    other.write_bytes(stamp.read_bytes())
    assert make("overlay", picture=str(stamp)).canonical() == make("overlay", picture=str(other)).canonical()
    (tmp_path / "text").write_text("no image")
    for wrong, message in ((tmp_path / "text", "reads no image"), (tmp_path / "gone", "No such file")):
        with pytest.raises(ValidationError, match=message):
            make("overlay", picture=str(wrong))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("coarse_dropout", {"holes": [5, 2]}),
        ("coarse_dropout", {"holes": -1}),
        ("jpeg_compression", {"quality": [0, 50]}),
        ("jpeg_compression", {"quality": 0.5}),
        ("erasing", {"scale": [0.5, 0.2]}),
        ("fog", {"density": 2}),
        ("motion_blur", {"length": 0}),
        ("elastic", {"shift": 0.2}),
        ("optical_distortion", {"distortion": -0.3}),
        ("perspective", {"distortion": 0.7}),
    ],
)
def test_bounds_are_checked(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(name, **wrong)
