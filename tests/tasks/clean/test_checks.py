"""Checks score as their sources define, the same for every dtype."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from skimage import color, data, measure

from tasks.clean.blurry import Blurry
from tasks.clean.dark import Dark
from tasks.clean.light import Light
from tasks.clean.low_information import LowInformation
from tasks.clean.min_size import MinSize
from tasks.clean.screen import Screen
from tasks.operation import Step
from tests.tasks.images import in_dtype, make, picture, sample, step

PHOTOGRAPHS = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), data.camera()[:, :, None]]
CHECKS = [Dark(), Light(), Blurry(), LowInformation()]


def cleanvision_brightness(pixels: np.ndarray, percent: float) -> float:
    values = pixels.astype(np.float64)
    if pixels.shape[2] == 1:
        return float(np.percentile(values / 255, percent))
    r, g, b = values[:, :, 0], values[:, :, 1], values[:, :, 2]
    return float(np.percentile(np.sqrt(0.241 * r * r + 0.691 * g * g + 0.068 * b * b) / 255, percent))


@pytest.mark.parametrize("pixels", PHOTOGRAPHS)
def test_dark_and_light_are_cleanvisions(pixels: np.ndarray) -> None:
    assert Dark().measure(pixels)[""] == pytest.approx(cleanvision_brightness(pixels, 99), abs=2e-5)
    assert Light().measure(pixels)[""] == pytest.approx(1 - cleanvision_brightness(pixels, 5), abs=2e-5)


@pytest.mark.parametrize("pixels", PHOTOGRAPHS)
def test_low_information_is_a_tenth_of_pillows_entropy(pixels: np.ndarray) -> None:
    entropy = Image.fromarray(pixels.squeeze()).entropy()
    assert LowInformation().measure(pixels)[""] == pytest.approx(min(1, 0.1 * entropy), abs=1e-9)


@pytest.mark.parametrize("pixels", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [0, 1, 3])
def test_blurry_is_scikit_images_blur_effect(pixels: np.ndarray, sigma: float) -> None:
    height, width = pixels.shape[:2]
    shrink = min(1, 512 / max(height, width))
    small = cv2.resize(pixels, (round(width * shrink), round(height * shrink)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma) if sigma else small
    gray = color.rgb2gray(small) if small.ndim == 3 else small / 255
    score = Blurry().measure(small if small.ndim == 3 else small[:, :, None])[""]
    assert score == pytest.approx(1 - measure.blur_effect(gray), abs=0.002)


def test_blurry_is_fast() -> None:
    cv2.setNumThreads(1)
    pixels, check = picture(512, 384), Blurry()

    def once() -> float:
        started = time.perf_counter()
        check.measure(pixels)
        return time.perf_counter() - started

    assert min(once() for _ in range(50)) < 3e-3


def test_the_default_tells_a_blurred_photograph_from_a_sharp_one() -> None:
    sharp = data.coffee()
    assert Blurry().verdict(Blurry().measure(sharp)) is None
    blurred = cv2.GaussianBlur(sharp, (0, 0), 5)
    verdict = Blurry().verdict(Blurry().measure(blurred))
    assert verdict is not None and (verdict.reason, verdict.limit) == ("blurry", 0.62)
    assert verdict.message == f"blur score {verdict.measure:.3f} is below 0.62"


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_score_does_not_depend_on_the_depth(check: Dark, channels: int) -> None:
    pixels = picture(97, 71, "uint8", channels)
    scores = [check.measure(in_dtype(pixels, dtype))[""] for dtype in ("uint8", "uint16", "float32")]
    assert scores == pytest.approx([scores[0]] * 3, abs=2e-5)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_one_pixel_and_flat_images_have_scores_in_range(check: Dark, dtype: str) -> None:
    for size in ((1, 1), (1, 9), (3, 1), (20, 20)):
        for value in (0, 255):
            for channels in (1, 3):
                flat = in_dtype(np.full((*size, channels), value, np.uint8), dtype)
                assert 0 <= check.measure(flat)[""] <= 1


def test_black_is_dark_white_is_light_and_flat_has_no_information() -> None:
    black, white = np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 255, np.uint8)
    assert Dark().verdict(Dark().measure(black)).reason == "dark"  # type: ignore[union-attr]
    assert Light().verdict(Light().measure(white)).reason == "light"  # type: ignore[union-attr]
    assert LowInformation().verdict(LowInformation().measure(white)).reason == "low_information"  # type: ignore[union-attr]
    assert Dark().verdict(Dark().measure(white)) is Light().verdict(Light().measure(black)) is None


def test_min_size_says_which_side_is_too_small() -> None:
    check = MinSize(size=(64, 48))
    assert check.verdict(check.measure(picture(64, 48))) is None
    verdict = check.verdict(check.measure(picture(64, 47)))
    assert verdict is not None
    assert (verdict.reason, verdict.message, verdict.measure, verdict.limit) == (
        "too_small",
        "height 47 is below 48",
        47.0,
        48.0,
    )
    assert MinSize.shorthand == "size" and MinSize(size=64).size == (64, 64)


def test_a_threshold_is_not_in_the_fingerprint_of_what_is_measured() -> None:
    assert Dark(below=0.1).canonical() == Dark().canonical()
    assert make("screen", checks=[{"dark": {"below": 0.1}}]).canonical() == make("screen", checks=["dark"]).canonical()


def test_screen_is_its_checks_and_the_first_that_fails_speaks() -> None:
    screen = make("screen", checks=["dark", "blurry", {"min_size": {"size": 64}}])
    assert isinstance(screen, Screen)
    assert screen.measures() == ("dark", "blurry", "min_size_width", "min_size_height")
    pixels = np.zeros((40, 50, 3), np.uint8)
    measures = screen.examine(sample(pixels))
    assert tuple(measures) == screen.measures() and measures["min_size_width"] == 50
    assert screen.verdict(measures).reason == "dark"  # type: ignore[union-attr]
    assert screen.verdict({**measures, "dark": 1.0, "blurry": 1.0}).reason == "too_small"  # type: ignore[union-attr]
    assert screen.verdict({"dark": 1, "blurry": 1, "min_size_width": 64, "min_size_height": 64}) is None
    assert Screen().measures() == ("dark", "light", "blurry", "low_information")
    assert [one.id for one in Screen().steps] == list(Screen().measures())


def test_screen_takes_checks_only() -> None:
    with pytest.raises(ValidationError, match="hflip is not a check"):
        Screen(checks=(step("hflip"),))
    with pytest.raises(ValidationError, match="needs an id of its own"):
        Screen(checks=(step("dark"), step("dark")))
    with pytest.raises(ValidationError, match="at least one check"):
        Screen(checks=())
    assert Screen(checks=(Step(id="gloom", operation=Dark()),)).measures() == ("gloom",)
