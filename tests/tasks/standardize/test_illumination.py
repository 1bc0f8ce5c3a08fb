"""Difference of Gaussians, Tan-Triggs and retinex, against scikit-image, SciPy and the papers' formulae."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import ndimage
from skimage import exposure, filters

from tests.tasks.images import KINDS, RANGES, done, fractions, make, picture

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)
Values = NDArray[np.float64]


def rounding(dtype: str) -> float:
    return 0 if dtype == "float32" else 0.51 / RANGES[dtype]


@kinds
def test_difference_of_gaussians_is_scikit_images(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    values = fractions(pixels)
    for low, high in ((1.0, None), (0, 3), (2, 9)):
        wanted = filters.difference_of_gaussians(values, low, high, mode="mirror", channel_axis=2) + 0.5
        wanted = wanted if dtype == "float32" else wanted.clip(0, 1)
        made = done("difference_of_gaussians", pixels, low_sigma=low, high_sigma=high)
        assert np.abs(fractions(made) - wanted).max() <= 1e-5 + rounding(dtype)


def tan_triggs(values: Values, gamma: float, low: float, high: float, alpha: float, tau: float) -> Values:
    """The paper's equations 1 to 4."""
    image = values**gamma
    image = ndimage.gaussian_filter(image, low, mode="mirror") - ndimage.gaussian_filter(image, high, mode="mirror")
    image = image / np.mean(np.abs(image) ** alpha) ** (1 / alpha)
    image = image / np.mean(np.minimum(tau, np.abs(image)) ** alpha) ** (1 / alpha)
    return np.asarray(tau * np.tanh(image / tau))


@kinds
def test_tan_triggs_is_the_papers(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    gray = fractions(pixels)[:, :, 0]
    if channels == 3:
        exact = fractions(pixels) @ [0.299, 0.587, 0.114]
        gray = exact if dtype == "float32" else np.rint(exact * RANGES[dtype]) / RANGES[dtype]
    for parameters in ((0.2, 1, 2, 0.1, 10), (0.5, 0, 3, 0.3, 4)):
        gamma, low, high, alpha, tau = parameters
        wanted = tan_triggs(gray, gamma, low, high, alpha, tau) / tau / 2 + 0.5
        made = done("tan_triggs", pixels, gamma=gamma, sigmas=[low, high], alpha=alpha, tau=tau)
        assert made.shape == (71, 97, 1) and made.dtype == dtype
        # luma of uint8 may round the other way at a half: that moves a few pixels by a level
        assert np.quantile(np.abs(fractions(made)[:, :, 0] - wanted), 0.99) <= 3e-3 + rounding(dtype)


def retinex(values: Values, sigmas: list[float]) -> Values:
    """Jobson 1997, equation 6 with equal weights, before gain and offset."""
    image = 1 + 255 * values
    around = [ndimage.gaussian_filter(image, sigma, mode="reflect", axes=(0, 1)) for sigma in sigmas]
    return np.asarray(np.log(image) - np.mean(np.log(around), axis=0))


@kinds
@pytest.mark.parametrize("sigmas", [[3.0], [20.0], [15.0, 80.0, 250.0]])
def test_retinex_is_the_papers(sigmas: list[float], dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    wanted = retinex(fractions(pixels), sigmas)
    bounds = tuple(np.percentile(wanted, (1, 99)))
    wanted = exposure.rescale_intensity(wanted, in_range=bounds, out_range=(0, 1))
    made = fractions(done("retinex", pixels, sigmas=sigmas))
    assert np.abs(made - wanted).max() <= (1e-4 if sigmas == [3.0] else 0.01) + rounding(dtype)


@kinds
@pytest.mark.parametrize("size", [(31, 23), (1, 1), (1, 7)])
def test_flat_images_have_no_detail(size: tuple[int, int], dtype: str, channels: int) -> None:
    flat = np.full((*size, channels), np.asarray(0.3 * RANGES[dtype]).astype(dtype), dtype)
    assert np.abs(fractions(done("difference_of_gaussians", flat)) - 0.5).max() <= 1e-6 + rounding(dtype)
    assert np.abs(fractions(done("tan_triggs", flat)) - 0.5).max() <= rounding(dtype)
    assert np.array_equal(done("retinex", flat), flat)


def test_light_from_one_side_is_evened_out() -> None:
    pixels = picture(97, 71, "float32", 1)
    shaded = pixels * np.linspace(0.3, 1, 97, dtype=np.float32)[None, :, None]
    for name in ("tan_triggs", "retinex"):
        left, right = done(name, pixels), done(name, shaded)
        before, after = np.corrcoef(pixels.ravel(), shaded.ravel()), np.corrcoef(left.ravel(), right.ravel())
        assert after[0, 1] > max(0.9, before[0, 1] - 0.05)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValidationError, match="high_sigma of at least low_sigma"):
        make("difference_of_gaussians", low_sigma=3, high_sigma=2)
    with pytest.raises(ValidationError, match="sigmas with 0 <= low < high"):
        make("tan_triggs", sigmas=[2, 2])
    with pytest.raises(ValidationError, match="greater than 0"):
        make("retinex", sigmas=[0])
