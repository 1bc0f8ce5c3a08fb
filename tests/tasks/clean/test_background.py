"""The rolling ball and ridges against scikit-image and their formulae."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data, feature, filters, restoration

from tests.tasks.images import KINDS, RANGES, done, fractions, in_dtype, picture

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)
MARGIN = 30
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


@pytest.mark.parametrize(("radius", "levels"), [(25, 2.0), (50, 2.0)])
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


@kinds
@pytest.mark.parametrize("ridges", ["dark", "bright"])
@pytest.mark.parametrize("name", ["frangi", "sato"])
@pytest.mark.parametrize("sigmas", [[1.5], [1, 2, 3], [0.5]])
def test_ridges_are_scikit_images(name: str, sigmas: list[float], ridges: str, dtype: str, channels: int) -> None:
    pixels = picture(53, 37, dtype, channels)
    values = fractions(pixels)
    gray = np.pad(values[:, :, 0] if channels == 1 else values @ LUMA, MARGIN, mode="symmetric")
    inside = slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN)  # at its own borders scikit-image mirrors in between
    more = {}
    if name == "frangi":
        hessian = feature.hessian_matrix(gray, sigmas[0], mode="reflect", use_gaussian_derivatives=True)
        more["gamma"] = np.hypot(*feature.hessian_matrix_eigvals(hessian))[inside].max() / 2
    wanted = getattr(filters, name)(gray, sigmas, black_ridges=ridges == "dark", **more)[inside]
    made = fractions(done(name, pixels, sigmas=sigmas, ridges=ridges))[:, :, 0]
    assert np.abs(made - np.clip(wanted, 0, 1)).max() <= (0.51 / 255 if dtype == "uint8" else 2e-5)


@pytest.mark.parametrize("name", ["frangi", "sato"])
@kinds
def test_a_line_stands_out_and_flat_gives_nothing(name: str, dtype: str, channels: int) -> None:
    line = np.full((31, 41, channels), 200, np.uint8)
    line[14:17] = 60
    made = fractions(done(name, in_dtype(line, dtype)))
    assert made.shape == (31, 41, 1)
    assert made[15].min() > 0.15 > 0.02 > made[3].max()
    assert not done(name, in_dtype(line, dtype), ridges="bright")[15].max() > RANGES[dtype] * 1e-6
    assert done(name, in_dtype(line[:9], dtype)).max() <= RANGES[dtype] * 1e-5
    assert done(name, picture(1, 1, dtype, channels)).shape == (1, 1, 1)
