"""Harris, Shi-Tomasi and FAST against scikit-image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from skimage import feature

from tasks.extract.corners import Corners, structure
from tasks.extract.fast import Fast
from tasks.extract.harris import Harris
from tasks.extract.planes import byte_gray
from tasks.extract.shi_tomasi import ShiTomasi
from tests.tasks.images import KINDS, fractions, in_dtype, picture

ALL = (Harris(), ShiTomasi(), Fast())


def square(side: int = 60, x: int = 20, y: int = 12, width: int = 24, height: int = 30) -> Any:
    pixels = np.zeros((side, side, 1), np.uint8)
    pixels[y : y + height, x : x + width] = 255
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.7))[:, :, None]  # FAST takes none of two equal neighbours


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize("sigma", [1, 2.5])
def test_responses_are_scikit_images_away_from_the_border(sigma: float, dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    gray = fractions(pixels) @ ([0.299, 0.587, 0.114] if channels == 3 else [1])
    inner = (slice(12, -12), slice(12, -12))
    tensor = structure(pixels, sigma)
    for made, wanted in (
        (Harris(sigma=sigma).response(*tensor), feature.corner_harris(gray, sigma=sigma, k=0.05)),
        (ShiTomasi(sigma=sigma).response(*tensor), feature.corner_shi_tomasi(gray, sigma=sigma)),
    ):
        assert np.abs(made - wanted)[inner].max() <= 1e-3 * np.abs(wanted).max()


@pytest.mark.parametrize("corners", ALL[:2])
def test_the_peaks_are_scikit_images(corners: Any) -> None:
    pixels = cv2.GaussianBlur(picture(160, 120), (0, 0), 1.5)
    response = corners.response(*structure(pixels, 1))
    wanted = feature.peak_local_max(response, min_distance=5, threshold_rel=0.01, exclude_border=False, p_norm=np.inf)
    points, _ = corners.corners(pixels)
    assert {tuple(point) for point in points} == {(x, y) for y, x in wanted}


@pytest.mark.parametrize("corners", ALL)
def test_a_square_has_four_corners_at_their_places(corners: Corners) -> None:
    pixels = square()
    found = dict(zip(corners.components(None, None), corners.extract(pixels), strict=True))
    assert found["count"] == 4 and found["density"] == pytest.approx(4 / 3600)
    places = [(60 * found[f"corner_{n}.x"], 60 * found[f"corner_{n}.y"]) for n in range(1, 5)]
    assert all(min(abs(x - a) + abs(y - b) for a, b in places) <= 3 for x in (20, 44) for y in (12, 42))
    assert found["corner_1.strength"] == 1 and found["corner_5.strength"] == found["corner_5.x"] == 0


@pytest.mark.parametrize("corners", ALL)
def test_the_depth_does_not_count_and_flat_or_tiny_images_have_no_corners(corners: Corners) -> None:
    pixels = picture(97, 71)
    made = corners.extract(pixels)
    assert made[0] > 10
    assert np.array_equal(corners.extract(in_dtype(pixels, "uint16")), made)
    assert np.array_equal(corners.extract(in_dtype(pixels, "float32")), made)
    for flat in (np.full((40, 30, 3), 77, np.uint8), np.full((1, 1, 1), 0.3, np.float32)):
        assert not corners.extract(flat).any()


@pytest.mark.parametrize("threshold", [10, 30])
def test_fast_is_scikit_images(threshold: int) -> None:
    pixels = picture(97, 71)
    gray = byte_gray(pixels)
    found = cv2.FastFeatureDetector.create(threshold, False).detect(gray)
    response = feature.corner_fast(gray / 255, n=9, threshold=(threshold + 0.5) / 255)
    assert {corner.pt for corner in found} == {(x, y) for y, x in np.argwhere(response > 0)}
    strongest, _ = Fast(threshold=threshold / 255).corners(pixels)
    assert {tuple(point) for point in strongest} <= {corner.pt for corner in found}
