"""Edges, as images and as a vector, against scikit-image and SciPy."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import ndimage
from skimage import data, feature, filters

from tasks.extract.edge_density import EdgeDensity
from tasks.image.sample import Pixels
from tests.tasks.images import KINDS, RANGES, done, fractions, in_dtype, make, picture

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)

NAMES = ["sobel", "scharr", "prewitt", "roberts", "laplace", "laplacian_of_gaussian", "canny"]


def gray_of(pixels: Pixels) -> NDArray[np.float64]:
    """The luma as stored: rounded to the dtype."""
    if pixels.shape[2] == 1:
        return fractions(pixels)[:, :, 0]
    return np.asarray(fractions(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)))


def tolerance(dtype: str) -> float:
    return 0.51 / RANGES[dtype] if dtype == "uint8" else 1.5e-5


@kinds
@pytest.mark.parametrize("name", ["sobel", "scharr", "prewitt", "roberts", "laplace"])
@pytest.mark.parametrize("size", [(53, 37), (2, 3), (1, 9), (1, 1)])
def test_it_is_scikit_images(name: str, size: tuple[int, int], dtype: str, channels: int) -> None:
    pixels = picture(*size, dtype, channels)
    made = done(name, pixels)
    assert made.dtype == pixels.dtype and made.shape == (*pixels.shape[:2], 1)
    wanted = np.abs(getattr(filters, name)(gray_of(pixels)))
    if dtype != "float32":
        wanted = np.minimum(wanted, 1)
    assert np.abs(fractions(made)[:, :, 0] - wanted).max() <= tolerance(dtype)


@kinds
@pytest.mark.parametrize("sigma", [0.5, 2, 7.3])
def test_laplacian_of_gaussian_is_scipys_times_sigma_squared(sigma: float, dtype: str, channels: int) -> None:
    pixels = picture(53, 37, dtype, channels)
    values = fractions(pixels)
    gray = values[:, :, 0] if channels == 1 else values @ np.array([0.299, 0.587, 0.114])
    flat = ndimage.gaussian_laplace(np.ones_like(gray), sigma) * ndimage.gaussian_filter(gray, sigma)  # ours has none
    wanted = np.minimum(np.abs(ndimage.gaussian_laplace(gray, sigma) - flat) * sigma**2, 1)
    made = fractions(done("laplacian_of_gaussian", pixels, sigma=sigma))[:, :, 0]
    assert np.abs(made - wanted).max() <= tolerance(dtype)


@pytest.mark.parametrize("pixels", [data.camera()[::2, ::2, None], data.coffee()[::2, ::2]])
@pytest.mark.parametrize("sigma", [1, 2.5])
def test_canny_is_scikit_images_within_a_pixel(pixels: Pixels, sigma: float) -> None:
    pixels = np.ascontiguousarray(pixels)
    made = done("canny", pixels, sigma=sigma, low=0.1, high=0.2)[:, :, 0] == 255
    wanted = feature.canny(gray_of(pixels), sigma, 0.1, 0.2, mode="reflect")
    near = np.ones((3, 3))
    assert (ndimage.binary_dilation(wanted, near) & made).sum() > 0.96 * made.sum()
    assert (ndimage.binary_dilation(made, near) & wanted).sum() > 0.96 * wanted.sum()


@kinds
def test_canny_gives_black_and_white_and_finds_thresholds_by_the_median(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    made = done("canny", pixels, sigma=0)
    median = float(
        np.median(fractions(pixels) if channels == 1 else fractions(pixels) @ np.array([0.299, 0.587, 0.114]))
    )
    assert set(np.unique(made)) == {0, RANGES[dtype]}
    explicit = done("canny", pixels, sigma=0, low=0.67 * median, high=1.33 * median)
    assert (made != explicit).mean() < 0.001  # luma in float32 and float64
    eight = done("canny", picture(97, 71, "uint8", channels), sigma=0)
    assert ((made > 0) != (eight > 0)).mean() < 0.001


def test_canny_wants_both_thresholds_in_order() -> None:
    with pytest.raises(ValidationError, match="give low and high, or neither"):
        make("canny", low=0.1)
    with pytest.raises(ValidationError, match=r"expected low <= high, got 0\.3 and 0\.2"):
        make("edge_density", low=0.3, high=0.2)


@given(st.sampled_from(NAMES), st.sampled_from(KINDS), st.integers(0, 255), st.integers(1, 9), st.integers(1, 9))
def test_flat_images_have_no_edges(name: str, kind: tuple[str, int], level: int, width: int, height: int) -> None:
    flat = in_dtype(np.full((height, width, kind[1]), level, np.uint8), kind[0])
    made = done(name, flat)
    assert made.shape == (height, width, 1) and made.dtype.name == kind[0]
    assert np.abs(made).max() <= (0 if kind[0] != "float32" else 5e-6)


@kinds
@pytest.mark.parametrize("name", NAMES)
def test_the_result_does_not_depend_on_where_the_pixels_lie_in_memory(name: str, dtype: str, channels: int) -> None:
    pixels = picture(67, 53, dtype, channels)
    made = set()
    for offset in (0, 4, 8, 16, 20, 36, 60):
        memory = np.zeros(pixels.nbytes + 128, np.uint8)
        start = -memory.ctypes.data % 64 + offset
        there = memory[start : start + pixels.nbytes].view(pixels.dtype).reshape(pixels.shape)
        there[...] = pixels
        made.add(done(name, there).tobytes())
    assert len(made) == 1  # cv2.magnitude's does, in the last bit


@kinds
def test_edge_density_counts_and_averages(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    vector = EdgeDensity().extract(pixels)
    assert vector.dtype == np.float32 and vector.shape == (10,)
    assert vector[0] == pytest.approx((done("canny", pixels) > 0).mean(), abs=1e-6)
    assert vector[1] == pytest.approx(filters.sobel(gray_of(pixels)).mean(), abs=1e-5)
    gray = gray_of(pixels)
    x, y = filters.sobel_v(gray, None), -filters.sobel_h(gray, None)  # without their masks these keep the border
    angles, steep = np.degrees(np.arctan2(y, x)) % 180, np.hypot(x, y)
    wanted, _ = np.histogram(angles[1:-1, 1:-1], 8, (0, 180), weights=steep[1:-1, 1:-1])
    assert np.abs(vector[2:] - wanted / wanted.sum()).max() < 0.02
    assert vector[2:].sum() == pytest.approx(1, abs=1e-6)
    assert np.abs(vector - EdgeDensity().extract(picture(97, 71, "uint8", channels))).max() < 0.005


@pytest.mark.parametrize(("degrees", "part"), [(10, 0), (55, 1), (100, 2), (145, 3), (190, 0), (280, 2)])
def test_the_orientation_counts_counter_clockwise(degrees: float, part: int) -> None:
    y, x = np.mgrid[0:40, 0:40]
    ramp = x * np.cos(np.radians(degrees)) - y * np.sin(np.radians(degrees))
    ramp = ((ramp - ramp.min()) / np.ptp(ramp)).astype(np.float32)[:, :, None]
    operation = EdgeDensity(orientations=4)
    vector = operation.extract(ramp)
    assert operation.components(None, None)[2 + part] == f"orientation.{part}"
    assert vector[2 + part] > 0.85


def test_nothing_steep_has_no_orientation() -> None:
    assert not EdgeDensity().extract(np.full((9, 9, 3), 60, np.uint8)).any()
