"""Brightness and contrast as fractions of the range."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import exposure

from tests.tasks.images import KINDS, RANGES, done, fractions, picture


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_it_is_the_line_that_it_says(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    made = done("brightness_contrast", pixels, brightness=[0.1, 0.1], contrast=[0.4, 0.4])
    wanted = (fractions(pixels) - 0.5) * 1.4 + 0.6
    if dtype != "float32":
        wanted = wanted.clip(0, 1)
    assert made.dtype == dtype
    assert np.abs(fractions(made) - wanted).max() * RANGES[dtype] <= (0.501 if dtype != "float32" else 1e-6)


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_zero_changes_nothing_and_minus_one_is_flat(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    same = done("brightness_contrast", pixels, brightness=[0, 0], contrast=[0, 0])
    assert np.abs(fractions(same) - fractions(pixels)).max() <= 1e-7
    flat = done("brightness_contrast", pixels, brightness=[0, 0], contrast=[-1, -1])
    assert np.ptp(flat) == 0 and abs(fractions(flat)[0, 0, 0] - 0.5) <= 0.002


def test_more_contrast_than_1_is_scikit_images_stretch() -> None:
    pixels = picture(31, 23)
    made = done("brightness_contrast", pixels, brightness=[0, 0], contrast=[1, 1])
    wanted = exposure.rescale_intensity(fractions(pixels), in_range=(0.25, 0.75), out_range=(0, 1))
    assert np.abs(fractions(made) - wanted).max() <= 0.51 / 255
