"""Colour and light: against scikit-image, Pillow, SciPy and published formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from scipy.interpolate import BPoly
from skimage import color
from skimage import transform as reference

from tasks.augment.planckian_jitter import chromaticity, light
from tasks.image.sample import Pixels
from tasks.operation import KeyedDraws
from tests.tasks.images import KINDS, done, fractions, make, picture, run, sample, step

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)
LEVEL = {"uint8": 1 / 255, "uint16": 1e-4, "float32": 1e-5}
NOTHING: list[tuple[str, dict[str, Any]]] = [
    ("color_jitter", {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}),
    ("hue_saturation", {"hue": 0, "saturation": 0, "value": 0}),
    ("rgb_shift", {"red": 0, "green": 0, "blue": 0}),
    ("tone_curve", {"shadows": 0, "highlights": 0}),
    ("illumination", {"strength": 0}),
    ("planckian_jitter", {"kelvin": 6500}),
    ("chromatic_aberration", {"red": 0, "blue": 0}),
    ("photometric_distort", {"chance": 0}),
    ("bias_field", {"strength": 0}),
]


def close(made: Pixels, wanted: NDArray[np.float64], levels: float = 0.51) -> None:
    """Within so many levels of 8 bits, less for the deeper dtypes; clipped for integers."""
    if made.dtype != np.float32:
        wanted = wanted.clip(0, 1)
    assert made.dtype.name in LEVEL
    assert np.abs(fractions(made) - wanted).max() <= levels * LEVEL[made.dtype.name] + 1e-6


@kinds
@pytest.mark.parametrize(("name", "parameters"), NOTHING)
def test_nothing_to_do_changes_nothing(name: str, parameters: dict[str, Any], dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    assert np.array_equal(done(name, pixels, **parameters), pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_hue_and_saturation_are_scikit_images_hsv(dtype: str) -> None:
    pixels = picture(97, 71, dtype)
    hsv = color.rgb2hsv(fractions(pixels))
    hsv[:, :, 0] = (hsv[:, :, 0] + 0.12) % 1
    hsv[:, :, 1] = np.minimum(hsv[:, :, 1] * 1.3, 1)
    hsv[:, :, 2] *= 0.8
    close(done("hue_saturation", pixels, hue=0.12, saturation=0.3, value=-0.2), color.hsv2rgb(hsv), levels=1)
    gray = np.repeat(picture(31, 23, dtype, 1), 3, axis=2)
    tinted = done("hue_saturation", gray, hue=0.2, saturation=1, value=0)
    assert np.abs(fractions(tinted) - fractions(gray)).max() <= 1e-6  # gray stays gray


@kinds
def test_color_jitter_is_its_parts_in_the_order_drawn(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    parts = {"brightness": 0.05, "contrast": -0.3, "saturation": 0.2, "hue": 0.04}
    orders = set()
    for seed in range(5):
        made = run([step("color_jitter", **parts)], sample(pixels), KeyedDraws(seed))
        order = made.lineage[0].params["order"]
        chained = pixels.astype(np.float32) / {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
        for name in order:
            chained = done(name, chained, **{name: parts[name]}).clip(0, 1)
        made_by = fractions(made.picture())
        assert np.abs(made_by.clip(0, 1) - chained).mean() <= 0.5 / 255  # the chain clips after each
        assert np.median(np.abs(made_by.clip(0, 1) - chained)) <= 0.6 * LEVEL[dtype]
        orders.add(tuple(order))
    assert len(orders) > 1


def test_saturation_within_color_jitter_is_pillows() -> None:
    pixels = picture(97, 71)
    made = done("color_jitter", pixels, brightness=0, contrast=0, saturation=0.6, hue=0)
    wanted = np.asarray(ImageEnhance.Color(Image.fromarray(pixels)).enhance(1.6))
    assert np.abs(made.astype(int) - wanted).max() <= 2  # Pillow rounds its gray first


@kinds
def test_photometric_distort_is_what_its_lineage_says(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    lengths, shuffled = [], 0
    for seed in range(300):
        drawn = run([step("photometric_distort")], sample(pixels[:1, :1]), KeyedDraws(seed)).lineage[0].params
        lengths.append(len(drawn["changes"]))
        shuffled += drawn["channels"] != [0, 1, 2]
    assert abs(np.mean(lengths) - 2) < 3.3 * 1 / 300**0.5  # binomial, 1 false alarm in 1000
    assert abs(shuffled / 300 - 5 / 12) < 3.3 * 0.493 / 300**0.5
    made = run([step("photometric_distort", chance=1)], sample(pixels), KeyedDraws(3))
    drawn, wanted = made.lineage[0].params, fractions(pixels).astype(np.float32)
    assert drawn["changes"][0][0] == "brightness" and len(drawn["changes"]) == 4
    for name, amount in drawn["changes"]:
        wanted = done(name, wanted, **{name: amount})
    if channels == 3:
        wanted = wanted[:, :, drawn["channels"]]
    assert np.median(np.abs(fractions(made.picture()) - wanted.clip(0, 1))) <= 2 * LEVEL[dtype]


@kinds
def test_channels_are_shifted_shuffled_dropped_and_made_gray(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    shifted = done("rgb_shift", pixels, red=0.1, green=-0.05, blue=0.2)
    close(shifted, fractions(pixels) + (np.array([0.1, -0.05, 0.2]) if channels == 3 else 0))
    shuffled = run([step("channel_shuffle", p=1)], sample(pixels))
    order = shuffled.lineage[0].params["order"]
    assert np.array_equal(shuffled.picture(), pixels[:, :, order] if channels == 3 else pixels)
    dropped = run([step("channel_dropout", p=1, fill=1)], sample(pixels))
    wanted = fractions(pixels).copy()
    if channels == 3:
        wanted[:, :, dropped.lineage[0].params["channel"]] = 1
    close(dropped.picture(), wanted, 0.01)
    gray = done("to_gray", pixels, p=1)
    assert gray.shape == pixels.shape
    weights = [0.299, 0.587, 0.114] if channels == 3 else [1]
    close(gray, np.repeat((fractions(pixels) @ weights)[:, :, None], channels, axis=2), 0.55)


@kinds
def test_the_tone_curve_is_a_bezier_curve(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    curve = BPoly(np.array([[0], [1 / 3 + 0.2], [2 / 3 - 0.1], [1]]), [0, 1])
    close(done("tone_curve", pixels, shadows=0.2, highlights=-0.1), curve(fractions(pixels)))


@kinds
def test_illumination_grows_in_the_direction_drawn(dtype: str, channels: int) -> None:
    pixels = np.full_like(
        picture(40, 30, dtype, channels), {"uint8": 100, "uint16": 25700, "float32": 100 / 255}[dtype]
    )
    for degrees, high, low in (
        (0, np.s_[:, -1], np.s_[:, 0]),
        (90, np.s_[0], np.s_[-1]),
        (30, np.s_[0, -1], np.s_[-1, 0]),
    ):
        made = fractions(done("illumination", pixels, strength=0.4, degrees=degrees)) / (100 / 255)
        assert abs(made[high].mean() - 1.4) < 0.03 and abs(made[low].mean() - 0.6) < 0.03
        assert abs(made.mean() - 1) < 0.005


def test_the_planckian_locus_is_the_published_one() -> None:
    for kelvin, x, y in ((2856, 0.44757, 0.40745), (6500, 0.3135, 0.3237), (10_000, 0.2807, 0.2884)):
        assert chromaticity(kelvin) == pytest.approx((x, y), abs=1.5e-3)  # Wyszecki and Stiles 1982; illuminant A
    assert light(3000)[0] > 1.5 and light(3000)[2] < 0.5 and light(15_000)[0] < 0.8 and light(15_000)[2] > 1.2


@kinds
def test_planckian_jitter_multiplies_in_linear_light(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    gains = (light(4000) / light(6500)) ** (1 / 2.4) if channels == 3 else 1.0
    assert channels == 1 or gains[0] > 1 == gains[1] > gains[2]  # type: ignore[index]
    close(done("planckian_jitter", pixels, kelvin=4000), fractions(pixels) * gains)


@kinds
def test_chromatic_aberration_scales_red_and_blue_as_scikit_image(dtype: str, channels: int) -> None:
    pixels = picture(61, 47, dtype, channels)
    made = done("chromatic_aberration", pixels, red=0.05, blue=-0.03)
    if channels == 1:
        assert np.array_equal(made, pixels)
        return
    assert np.array_equal(made[:, :, 1], pixels[:, :, 1])
    for channel, by in ((0, 0.05), (2, -0.03)):
        middle = np.array([30.0, 23.0])
        about = reference.AffineTransform(scale=1 + by, translation=-by * middle)
        wanted = reference.warp(fractions(pixels)[:, :, channel], about.inverse, order=1, mode="edge")
        error = np.abs(fractions(made)[:, :, channel] - wanted)[2:-2, 2:-2]
        assert error.max() <= (1.01 / 255 if dtype == "uint8" else 1e-3)


@kinds
def test_a_bias_field_is_the_exponential_of_a_polynomial(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    made = run([step("bias_field", order=2, strength=0.4)], sample(pixels))
    coefficients = iter(made.lineage[0].params["coefficients"])
    x, y = np.meshgrid((np.arange(31) + 0.5) / 15.5 - 1, (np.arange(23) + 0.5) / 11.5 - 1)
    exponent = sum(next(coefficients) * x**i * y**j for i in range(3) for j in range(3 - i))
    close(made.picture(), fractions(pixels) * np.exp(exponent)[:, :, None])
    assert make("bias_field").draw(np.random.default_rng(0), sample(pixels))["coefficients"].__len__() == 10  # type: ignore[attr-defined]
