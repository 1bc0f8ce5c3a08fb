"""Checks of shape, colour, noise, blocks and borders: CleanVision's where named so, else as documented."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageStat
from pydantic import ValidationError
from skimage import data, restoration

from tasks.errors import Rejected
from tasks.image.sample import Pixels
from tasks.operation import Check
from tests.tasks.images import DTYPES, in_dtype, make, picture

PHOTOGRAPHS = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), data.camera()[:, :, None]]
EXAMPLES = {
    "cleanvision_blurry": {},
    "odd_aspect_ratio": {},
    "aspect": {"ratio": [0.5, 2]},
    "max_size": {"size": [64, 48]},
    "channels": {"count": 3},
    "gray": {"by": "content"},
    "noise_level": {"above": 0.1},
    "clipped": {"above": 0.2},
    "uniform_border": {"above": 0.1},
    "blockiness": {},
}


def check(name: str, **parameters: Any) -> Check:
    operation = make(name, **{**EXAMPLES[name], **parameters})
    assert isinstance(operation, Check)
    return operation


def score(name: str, pixels: Pixels, **parameters: Any) -> float:
    return check(name, **parameters).measure(pixels)[""]


def verdict(name: str, pixels: Pixels, **parameters: Any) -> Rejected | None:
    operation = check(name, **parameters)
    return operation.verdict(operation.measure(pixels))


def cleanvisions(image: Image.Image) -> float:
    """CleanVision 0.3.7's score of blur, written again."""
    ratio = max(image.width, image.height) / 64
    if ratio > 1:
        image = image.resize((max(int(image.width // ratio), 1), max(int(image.height // ratio), 1)))
    image = image.convert("L")
    edges = math.sqrt(ImageStat.Stat(image.filter(ImageFilter.FIND_EDGES)).var[0])
    spread = 1 - math.exp(-0.01 * float(np.std(image.histogram())))
    return min(1 - math.exp(-0.01 * edges) + (spread if spread > 0.18 else 0), 1)


@pytest.mark.parametrize("pixels", [*PHOTOGRAPHS, picture(20, 11), picture(1, 1), picture(700, 3)])
@pytest.mark.parametrize("sigma", [0, 4, 20])
def test_cleanvision_blurry_is_cleanvisions(pixels: Pixels, sigma: float) -> None:
    blurred = cv2.GaussianBlur(pixels, (0, 0), sigma).reshape(pixels.shape) if sigma else pixels
    wanted = cleanvisions(Image.fromarray(blurred.squeeze(2) if blurred.shape[2] == 1 else blurred))
    assert score("cleanvision_blurry", blurred) == pytest.approx(wanted, abs=1e-12)
    assert (verdict("cleanvision_blurry", blurred) is None) == (wanted >= 0.29)


def test_odd_aspect_ratio_is_cleanvisions() -> None:
    assert score("odd_aspect_ratio", picture(30, 10)) == score("odd_aspect_ratio", picture(10, 30)) == 10 / 30
    rejected = verdict("odd_aspect_ratio", picture(30, 10))
    assert rejected is not None and (rejected.reason, rejected.limit) == ("odd_aspect_ratio", 0.35)
    assert rejected.message == "shorter side over longer side 0.333 is below 0.35"
    assert verdict("odd_aspect_ratio", picture(20, 7)) is None


@given(st.integers(1, 40), st.integers(1, 40))
def test_aspect_is_width_over_height(width: int, height: int) -> None:
    assert score("aspect", picture(width, height)) == width / height
    rejected = verdict("aspect", picture(width, height))
    assert (rejected is None) == (0.5 <= width / height <= 2)
    if rejected is not None:
        assert rejected.limit == (0.5 if width < height else 2) and rejected.reason == "wrong_aspect"


def test_aspect_is_above_nothing() -> None:
    with pytest.raises(ValidationError, match="above 0"):
        check("aspect", ratio=[0, 2])


def test_max_size_says_which_side_is_too_large() -> None:
    assert verdict("max_size", picture(64, 48)) is None
    rejected = verdict("max_size", picture(64, 49))
    assert rejected is not None
    assert (rejected.reason, rejected.message) == ("too_large", "height 49 is above 48")


def test_channels_are_counted() -> None:
    assert verdict("channels", picture()) is None
    rejected = verdict("channels", picture(channels=1))
    assert rejected is not None
    assert (rejected.reason, rejected.message) == ("wrong_channels", "the image has 1 channels, not 3")


@pytest.mark.parametrize("dtype", DTYPES)
def test_gray_goes_by_mode_or_by_content(dtype: str) -> None:
    gray, colour = picture(dtype=dtype, channels=1), picture(dtype=dtype)
    stored = np.repeat(gray, 3, axis=2)
    assert [score("gray", one, by="mode") for one in (gray, stored, colour)] == [0, 1, 1]
    assert [score("gray", one, by="content") for one in (gray, stored, colour)] == [0, 0, 1]
    assert verdict("gray", stored).reason == "gray"  # type: ignore[union-attr]
    assert verdict("gray", stored, by="mode") is None


@pytest.mark.parametrize("pixels", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [0, 0.02, 0.1])
def test_noise_level_is_scikit_images_estimate(pixels: Pixels, sigma: float) -> None:
    noisy = pixels / 255 + np.random.default_rng(3).normal(0, sigma, pixels.shape) * (sigma > 0)
    noisy = noisy.astype(np.float32)
    gray = noisy[:, :, 0] if noisy.shape[2] == 1 else noisy @ np.float32([0.299, 0.587, 0.114])
    assert score("noise_level", noisy) == pytest.approx(restoration.estimate_sigma(gray), abs=2e-5 if sigma else 2e-4)
    assert (verdict("noise_level", noisy, above=0.05) is not None) == (sigma == 0.1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_clipped_counts_the_ends_of_the_range(dtype: str) -> None:
    pixels = np.full((10, 10, 3), 100, np.uint8)
    pixels[:2] = 0
    pixels[2:5, :, 0] = 255
    operation = check("clipped")
    measures = operation.measure(in_dtype(pixels, dtype))
    assert measures == {"black": pytest.approx(0.2), "white": pytest.approx(0.1)}
    assert operation.verdict(measures) is None
    rejected = check("clipped", above=0.15).verdict(measures)
    assert rejected is not None and rejected.message == "20% of the values are at 0, above 15%"
    assert check("clipped", above=0.05).verdict({"black": 0.0, "white": 0.1}).limit == 0.05  # type: ignore[union-attr]


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.sampled_from(DTYPES))
def test_uniform_border_is_the_area_around_the_content(
    top: int, bottom: int, left: int, right: int, dtype: str
) -> None:
    inside = np.random.default_rng(1).integers(90, 160, (11, 13, 3)).astype(np.uint8)
    framed = cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(3, 3, 5))
    noise = np.random.default_rng(2).integers(0, 3, framed.shape)  # within the tolerance
    framed = (framed + noise * (framed < 50)).astype(np.uint8)
    wanted = 1 - 11 * 13 / (framed.shape[0] * framed.shape[1])
    assert score("uniform_border", in_dtype(framed, dtype)) == pytest.approx(wanted)
    assert (verdict("uniform_border", in_dtype(framed, dtype)) is None) == (wanted <= 0.1)


def test_one_colour_is_all_border() -> None:
    assert score("uniform_border", np.full((5, 7, 1), 200, np.uint8)) == 1
    assert verdict("uniform_border", picture()) is None


@pytest.mark.parametrize("pixels", PHOTOGRAPHS)
def test_blockiness_grows_as_jpegs_quality_falls(pixels: Pixels) -> None:
    small = np.ascontiguousarray(cv2.resize(pixels, (301, 203), interpolation=cv2.INTER_AREA).reshape(203, 301, -1))
    space = "GRAY" if small.shape[2] == 1 else "RGB"
    made = [score("blockiness", small)]
    for quality in (70, 40, 15):
        jpeg = simplejpeg.encode_jpeg(small, quality, space, "420")
        made.append(score("blockiness", simplejpeg.decode_jpeg(jpeg, space)))
    assert made == sorted(made) and made[0] < 1.3 < made[3]


@pytest.mark.parametrize("dtype", DTYPES)
def test_blockiness_is_the_step_at_blocks_over_the_usual(dtype: str) -> None:
    y, x = np.mgrid[0:40, 0:48]
    blocks = ((x + y) * 1 + (x // 8) * 3 + (y // 8) * 5).astype(np.uint8)[:, :, None]  # steps of 1; 4 and 6 at blocks
    assert score("blockiness", in_dtype(blocks, dtype)) == pytest.approx((4 + 6) / 2)
    assert verdict("blockiness", in_dtype(blocks, dtype)).reason == "blocky"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.parametrize("dtype", DTYPES)
def test_flat_and_small_images_have_finite_measures(name: str, dtype: str) -> None:
    for size in ((1, 1), (1, 9), (8, 1), (9, 9), (20, 20)):
        for channels in (1, 3):
            for pixels in (picture(*size, dtype, channels), in_dtype(np.full((*size, channels), 255, np.uint8), dtype)):
                measures = check(name).measure(pixels)
                assert tuple(measures) == check(name).measures()
                assert all(type(value) is float and math.isfinite(value) for value in measures.values())


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"gray"}))
def test_the_limit_is_not_in_the_fingerprint_of_what_is_measured(name: str) -> None:
    assert not check(name).thresholds & set(check(name).canonical()["parameters"])


@pytest.mark.parametrize("name", ["cleanvision_blurry", "noise_level", "blockiness", "uniform_border", "clipped"])
def test_the_measure_does_not_depend_on_the_depth(name: str) -> None:
    measures = [list(check(name).measure(picture(97, 71, dtype)).values()) for dtype in DTYPES]
    assert measures[1] == pytest.approx(measures[0], abs=2e-3)
    assert measures[2] == pytest.approx(measures[0], abs=2e-3)
