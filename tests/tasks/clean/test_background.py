"""The rolling ball and ridges against scikit-image and their formulae."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data, restoration

from tests.tasks.images import KINDS, RANGES, done, fractions, in_dtype, picture

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)
LUMA = np.array([0.299, 0.587, 0.114])


@kinds
@pytest.mark.parametrize("radius", [1, 4, 10])
def test_a_small_ball_is_scikit_images(radius: int, dtype: str, channels: int) -> None:
    pixels = picture(53, 37, dtype, channels)
    values = fractions(pixels) * 255  # where a level is as high as a pixel is wide
    wanted = np.stack(
        [values[:, :, c] - restoration.rolling_ball(values[:, :, c], radius=radius) for c in range(channels)], axis=2
    )
    made = fractions(done("rolling_ball", pixels, radius=radius)) * 255
    assert np.abs(made - wanted).max() <= (0.51 if dtype == "uint8" else 0.003)


@pytest.mark.parametrize(("radius", "levels"), [(25, 1.5), (50, 1.5)])
def test_a_large_ball_is_nearly_scikit_images(radius: int, levels: float) -> None:
    coins = data.coins()[:121, :130]
    wanted = coins - restoration.rolling_ball(coins.astype(np.float64), radius=radius)
    made = done("rolling_ball", coins[:, :, None], radius=radius)[:, :, 0].astype(np.float64)
    assert np.sqrt(np.mean((made - wanted) ** 2)) < levels


@given(st.integers(1, 200), st.sampled_from(KINDS), st.integers(1, 12), st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_a_flat_background_is_taken_away(radius: int, kind: tuple[str, int], width: int, height: int) -> None:
    flat = in_dtype(np.full((height, width, kind[1]), 90, np.uint8), kind[0])
    assert not done("rolling_ball", flat, radius=radius).any()
    made = done("rolling_ball", picture(width, height, *kind), radius=radius)
    assert (made.shape, made.dtype.name) == ((height, width, kind[1]), kind[0])
    assert (made <= picture(width, height, *kind)).all()


def hessian(gray: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Eigenvalues of the second derivatives of a Gaussian scale, lower one first."""

    def second(y: int, x: int) -> NDArray[np.float64]:
        return np.asarray(ndimage.gaussian_filter(gray, sigma, (y, x), mode="reflect", truncate=8))

    matrix = np.stack([second(2, 0), second(1, 1), second(1, 1), second(0, 2)], axis=-1)
    return np.linalg.eigvalsh(matrix.reshape(*gray.shape, 2, 2))


def gray_of(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    values = fractions(pixels)
    return values[:, :, 0] if values.shape[2] == 1 else values @ LUMA


@kinds
@pytest.mark.parametrize("ridges", ["dark", "bright"])
def test_sato_is_its_formula(ridges: str, dtype: str, channels: int) -> None:
    pixels = picture(53, 37, dtype, channels)
    gray = gray_of(pixels) * (1 if ridges == "dark" else -1)
    wanted = np.max([np.maximum(hessian(gray, s)[..., 1], 0) * s**2 for s in (2, 4)], axis=0)
    made = fractions(done("sato", pixels, sigmas=[2, 4], ridges=ridges))[:, :, 0]
    assert np.abs(made - wanted).max() < 0.02  # scikit-image derives a Gaussian twice, not once to the second order
    assert np.corrcoef(made.ravel(), wanted.ravel())[0, 1] > 0.999


@kinds
@pytest.mark.parametrize("ridges", ["dark", "bright"])
def test_frangi_is_its_formula(ridges: str, dtype: str, channels: int) -> None:
    pixels = picture(53, 37, dtype, channels)
    values = hessian(gray_of(pixels) * (1 if ridges == "dark" else -1), 3)
    small, large = np.take_along_axis(values, np.abs(values).argsort(axis=-1), axis=-1).transpose(2, 0, 1)
    size = np.sqrt(small**2 + large**2)
    line = np.exp(-((np.abs(small) / np.maximum(large, 1e-10)) ** 2) / (2 * 0.5**2))
    wanted = line * (1 - np.exp(-(size**2) / (2 * (size.max() / 2) ** 2)))
    made = fractions(done("frangi", pixels, sigmas=[3], ridges=ridges))[:, :, 0]
    assert np.corrcoef(made.ravel(), wanted.ravel())[0, 1] > 0.995
    assert np.abs(made - wanted).mean() < 0.01


@pytest.mark.parametrize("name", ["frangi", "sato"])
@kinds
def test_a_line_stands_out_and_flat_gives_nothing(name: str, dtype: str, channels: int) -> None:
    line = np.full((31, 41, channels), 200, np.uint8)
    line[14:17] = 60
    made = fractions(done(name, in_dtype(line, dtype)))
    assert made.shape == (31, 41, 1)
    assert made[15].min() > 0.15 > 0.02 > made[3].max()
    assert not done(name, in_dtype(line, dtype), ridges="bright")[15].any()
    assert done(name, in_dtype(line[:5], dtype)).max() <= RANGES[dtype] * 1e-5
    assert done(name, picture(1, 1, dtype, channels)).shape == (1, 1, 1)
