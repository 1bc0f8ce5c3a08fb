"""Blurs, sharpening and inpainting against SciPy, scikit-image or their formula."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import ndimage
from skimage import filters, restoration

from tasks.image.sample import Pixels
from tests.tasks.images import KINDS, RANGES, done, fractions, in_dtype, make, picture, psnr

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)

NOTHING = {
    "median_blur": {"size": 1},
    "box_blur": {"size": 1},
    "bilateral": {"diameter": 1},
    "unsharp_mask": {"amount": 0},
    "guided_filter": {"epsilon": 0},
    "anisotropic_diffusion": {"iterations": 0},
    "inpaint": {"above": 1},
}


def tolerance(dtype: str, of_float: float = 1e-5) -> float:
    """A level of integers, once rounded: never less than what float32 computes with."""
    return max(0.51 / RANGES[dtype] if dtype != "float32" else 0, of_float)


@given(st.sampled_from(sorted(NOTHING)), st.sampled_from(KINDS), st.integers(1, 12), st.integers(1, 12))
def test_the_identity_parameters_change_nothing(name: str, kind: tuple[str, int], width: int, height: int) -> None:
    pixels = np.minimum(picture(width, height, *kind), RANGES[kind[0]] * 0.99).astype(kind[0])
    assert np.array_equal(done(name, pixels, **NOTHING[name]), pixels)


@given(st.sampled_from(sorted(NOTHING)), st.sampled_from(KINDS), st.integers(0, 255), st.integers(1, 9))
def test_flat_images_stay(name: str, kind: tuple[str, int], level: int, width: int) -> None:
    flat = in_dtype(np.full((5, width, kind[1]), level, np.uint8), kind[0])
    assert np.abs(fractions(done(name, flat)) - fractions(flat)).max() <= 1e-6


@kinds
@pytest.mark.parametrize("size", [3, 5, 7, 11])
def test_median_blur_is_the_median_of_the_window(size: int, dtype: str, channels: int) -> None:
    pixels = picture(53, 37, dtype, channels)
    around = np.pad(pixels, ((size // 2,) * 2, (size // 2,) * 2, (0, 0)), mode="edge")
    wanted = np.median(sliding_window_view(around, (size, size), axis=(0, 1)), axis=(-2, -1))
    assert np.array_equal(done("median_blur", pixels, size=size), wanted.astype(dtype))


@kinds
@pytest.mark.parametrize("size", [3, 9, 31])
def test_box_blur_is_scipys(size: int, dtype: str, channels: int) -> None:
    pixels = picture(53, 37, dtype, channels)
    wanted = ndimage.uniform_filter(fractions(pixels), (size, size, 1), mode="mirror")
    assert np.abs(fractions(done("box_blur", pixels, size=size)) - wanted).max() <= tolerance(dtype)


@pytest.mark.parametrize("name", ["median_blur", "box_blur"])
def test_an_even_window_has_no_middle(name: str) -> None:
    with pytest.raises(ValidationError, match="expected an odd number"):
        make(name, size=4)


def bilateral(values: NDArray[np.float64], diameter: int, sigma_color: float, sigma_space: float) -> Pixels:
    """Tomasi and Manduchi's formula, with differences added up over the channels."""
    reach = diameter // 2
    around = np.pad(values, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    total, weights = np.zeros_like(values), np.zeros(values.shape[:2])
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            if x * x + y * y <= reach * reach:
                there = around[reach + y :, reach + x :][: values.shape[0], : values.shape[1]]
                difference = np.abs(there - values).sum(axis=2)
                weight = np.exp(-(x * x + y * y) / (2 * sigma_space**2) - difference**2 / (2 * sigma_color**2))
                total += weight[:, :, None] * there
                weights += weight
    return total / weights[:, :, None]


@kinds
@pytest.mark.parametrize(("diameter", "sigma_color", "sigma_space"), [(9, 0.1, 3), (5, 0.5, 1.5)])
def test_bilateral_is_its_formula(
    diameter: int, sigma_color: float, sigma_space: float, dtype: str, channels: int
) -> None:
    pixels = picture(53, 37, dtype, channels)
    made = done("bilateral", pixels, diameter=diameter, sigma_color=sigma_color, sigma_space=sigma_space)
    wanted = bilateral(fractions(pixels), diameter, sigma_color, sigma_space)
    assert np.abs(fractions(made) - wanted).max() <= (1.01 / 255 if dtype == "uint8" else 5e-5)


@kinds
@pytest.mark.parametrize(("radius", "amount"), [(1, 1), (3.5, 0.4), (0.7, 5)])
def test_unsharp_mask_is_scikit_images(radius: float, amount: float, dtype: str, channels: int) -> None:
    pixels = picture(53, 37, dtype, channels)
    made = fractions(done("unsharp_mask", pixels, radius=radius, amount=amount))
    wanted = filters.unsharp_mask(fractions(pixels), radius, amount, channel_axis=2)
    if dtype == "float32":
        assert made.min() < 0 < 1 < made.max() or amount < 1
        made = np.clip(made, 0, 1)
    assert np.abs(made - wanted).max() <= tolerance(dtype, 2e-5)


@kinds
@pytest.mark.parametrize(("radius", "epsilon"), [(4, 0.01), (2, 0.0004), (9, 0.16)])
def test_guided_filter_is_its_formula(radius: int, epsilon: float, dtype: str, channels: int) -> None:
    pixels = picture(53, 37, dtype, channels)
    p, size = fractions(pixels), (2 * radius + 1, 2 * radius + 1, 1)
    mean, corr = ndimage.uniform_filter(p, size), ndimage.uniform_filter(p * p, size)
    a = (corr - mean * mean) / (corr - mean * mean + epsilon)
    b = mean - a * mean
    wanted = ndimage.uniform_filter(a, size) * p + ndimage.uniform_filter(b, size)
    made = fractions(done("guided_filter", pixels, radius=radius, epsilon=epsilon))
    assert np.abs(made - np.clip(wanted, 0, 1)).max() <= tolerance(dtype)


@kinds
@pytest.mark.parametrize("conductance", ["exponential", "quadratic"])
def test_anisotropic_diffusion_is_perona_and_maliks_scheme(conductance: str, dtype: str, channels: int) -> None:
    pixels = picture(53, 37, dtype, channels)
    wanted = fractions(pixels)
    for _ in range(7):
        around = np.pad(wanted, ((1, 1), (1, 1), (0, 0)), mode="edge")
        moved = np.zeros_like(wanted)
        for there in (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]):
            d = there - wanted
            moved += d * (np.exp(-((d / 0.05) ** 2)) if conductance == "exponential" else 1 / (1 + (d / 0.05) ** 2))
        wanted = wanted + 0.15 * moved
    made = done("anisotropic_diffusion", pixels, iterations=7, kappa=0.05, step=0.15, conductance=conductance)
    assert np.abs(fractions(made) - wanted).max() <= tolerance(dtype)


def test_anisotropic_diffusion_keeps_the_mean_and_edges() -> None:
    edge = np.zeros((20, 20, 1), np.float32)
    edge[:, 10:] = 1
    noisy = edge + np.random.default_rng(1).normal(0, 0.02, edge.shape).astype(np.float32)
    made = done("anisotropic_diffusion", noisy, iterations=50)
    assert made.mean() == pytest.approx(noisy.mean(), abs=1e-6)
    assert np.abs(made - edge).max() < 0.02 < np.abs(noisy - edge).max()


@kinds
@pytest.mark.parametrize("method", ["telea", "navier_stokes"])
def test_inpaint_fills_highlights_about_as_scikit_image_does_and_leaves_the_rest(
    method: str, dtype: str, channels: int
) -> None:
    clean = np.minimum(cv2.GaussianBlur(picture(53, 37), (0, 0), 2), 200)[:, :, :channels]
    spot = np.zeros((37, 53), bool)
    spot[10:14, 20:26] = spot[30, 40] = True
    spoilt = in_dtype(np.where(spot[:, :, None], np.uint8(255), clean), dtype)
    made = done("inpaint", spoilt, grow=1, method=method)
    filled = ndimage.binary_dilation(spot, np.ones((3, 3)))
    wanted = restoration.inpaint_biharmonic(fractions(spoilt), filled, channel_axis=2)
    assert np.array_equal(made[~filled], spoilt[~filled])
    assert np.abs(fractions(made) - wanted).max() < 0.12
    assert psnr(made, in_dtype(clean, dtype)) > 38


def test_inpaint_leaves_an_image_that_is_highlight_all_over() -> None:
    assert np.array_equal(done("inpaint", np.full((5, 5, 3), 255, np.uint8)), np.full((5, 5, 3), 255))


@kinds
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 1), (2, 3)])
@pytest.mark.parametrize("name", sorted(NOTHING))
def test_small_images_keep_shape_and_dtype(name: str, size: tuple[int, int], dtype: str, channels: int) -> None:
    pixels = picture(*size, dtype, channels)
    made = done(name, pixels)
    assert (made.shape, made.dtype) == (pixels.shape, pixels.dtype)
    assert np.isfinite(made).all()
