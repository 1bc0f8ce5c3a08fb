"""Gaussian blur against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import filters

from tests.tasks.images import KINDS, done, fractions, picture


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize("sigma", [0.3, 1.5, 9])
def test_it_is_scikit_images(sigma: float, dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    made = done("gaussian_blur", pixels, sigma=sigma)
    wanted = filters.gaussian(fractions(pixels), sigma, mode="mirror", channel_axis=2, truncate=4)
    assert made.dtype == dtype
    assert np.abs(fractions(made) - wanted).max() <= (1.5 / 255 if dtype == "uint8" else 2e-5)


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_no_blur_changes_nothing_and_one_pixel_stays(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    assert np.array_equal(done("gaussian_blur", pixels, sigma=0), pixels)
    for size in ((1, 1), (1, 5), (4, 1)):
        one = picture(*size, dtype, channels)
        assert done("gaussian_blur", one, sigma=20).shape == one.shape
