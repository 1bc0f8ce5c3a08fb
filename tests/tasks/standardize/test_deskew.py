"""Deskew finds the angle of a page's lines."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data, transform

from tests.tasks.images import KINDS, done, in_dtype, picture, run, sample, step


def turned(degrees: float, dtype: str = "uint8", channels: int = 1) -> np.ndarray:  # type: ignore[type-arg]
    page = transform.rotate(data.page(), degrees, mode="edge", order=1, preserve_range=True)
    pixels = np.repeat(np.rint(page)[:, :, None], channels, axis=2).astype(np.uint8)
    return in_dtype(pixels, dtype)


@pytest.mark.parametrize("degrees", [-12.3, -3, -0.5, 0.75, 2, 7.5, 14])
def test_a_page_turned_by_an_angle_is_turned_back(degrees: float) -> None:
    level = run([step("deskew")], sample(turned(0))).lineage[0].params["degrees"]
    made = run([step("deskew")], sample(turned(degrees)))
    assert made.lineage[0].params["degrees"] == pytest.approx(level - degrees, abs=0.3)
    assert made.size == (384, 191) and abs(level) <= 0.5


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_every_dtype_shows_the_same_angle(dtype: str, channels: int) -> None:
    made = run([step("deskew")], sample(turned(4, dtype, channels)))
    wanted = run([step("deskew")], sample(turned(4))).lineage[0].params
    assert made.lineage[0].params["degrees"] == pytest.approx(wanted["degrees"], abs=0.051)
    assert made.picture().dtype == dtype


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_an_image_without_lines_stays_as_it_is(dtype: str, channels: int) -> None:
    for pixels in (np.zeros((40, 30, channels), dtype), picture(1, 1, dtype, channels)):
        assert np.array_equal(done("deskew", pixels), pixels)


def test_level_lines_stay_and_no_angle_beyond_the_limit_is_taken() -> None:
    pixels = np.full((200, 300, 1), 255, np.uint8)
    pixels[20:180:20, 20:280] = 0
    assert np.array_equal(done("deskew", pixels), pixels)
    by = cv2.getRotationMatrix2D((150, 100), 10, 1)
    leaning = cv2.warpAffine(pixels, by, (300, 200), borderValue=255)[:, :, None]
    found = run([step("deskew", max_degrees=3)], sample(leaning)).lineage[0].params["degrees"]
    assert abs(found) <= 3
    assert run([step("deskew")], sample(leaning)).lineage[0].params["degrees"] == pytest.approx(-10, abs=0.1)
