"""Denoising against scikit-image, SciPy or its formula; and that it takes noise away."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import pywt
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import signal
from skimage import restoration

from tasks.clean.denoise_nl_means import H_PER_SIGMA
from tasks.clean.noise import noise_of
from tasks.image.sample import Pixels
from tests.tasks.images import KINDS, RANGES, done, fractions, in_dtype, picture, psnr

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)

NAMES = ["denoise_nl_means", "denoise_tv", "denoise_wavelet", "wiener"]
NOTHING = {
    "denoise_nl_means": {"sigma": 0},
    "denoise_tv": {"weight": 0},
    "denoise_wavelet": {"sigma": 0},
    "wiener": {"sigma": 0},
}


def noisy(pixels: Pixels, sigma: float = 0.06) -> Pixels:
    values = fractions(pixels) + np.random.default_rng(5).normal(0, sigma, pixels.shape)
    scale = RANGES[pixels.dtype.name]
    if scale == 1:
        return np.clip(values, 0, 1).astype(np.float32)
    return np.rint(np.clip(values, 0, 1) * scale).astype(pixels.dtype)


@pytest.mark.parametrize("name", NAMES)
@kinds
def test_it_takes_noise_away(name: str, dtype: str, channels: int) -> None:
    clean = picture(97, 71, dtype, channels)
    assert psnr(done(name, noisy(clean)), clean) > psnr(noisy(clean), clean) + 0.8


@given(st.sampled_from(NAMES), st.sampled_from(KINDS), st.integers(1, 12), st.integers(1, 12))
def test_the_identity_parameters_change_nothing(name: str, kind: tuple[str, int], width: int, height: int) -> None:
    pixels = picture(width, height, *kind)
    made = done(name, pixels, **NOTHING[name])
    assert made.dtype == pixels.dtype
    assert np.abs(fractions(made) - fractions(pixels)).max() <= 1e-7


@pytest.mark.parametrize("name", NAMES)
@kinds
def test_flat_and_small_images_stay_whole(name: str, dtype: str, channels: int) -> None:
    flat = in_dtype(np.full((9, 8, channels), 77, np.uint8), dtype)
    assert np.abs(fractions(done(name, flat)) - fractions(flat)).max() <= 1e-6
    more = {"h": 0.1} if name == "denoise_nl_means" else {} if name == "denoise_tv" else {"sigma": 0.1}
    for size in ((1, 1), (1, 9), (8, 1), (2, 3)):
        pixels = picture(*size, dtype, channels)
        made = done(name, pixels, **more)
        assert (made.shape, made.dtype) == (pixels.shape, pixels.dtype)
        assert np.isfinite(made).all()


@pytest.mark.parametrize("size", [(97, 71), (64, 64), (33, 50), (3, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_estimated_noise_is_scikit_images(size: tuple[int, int], channels: int) -> None:
    values = fractions(noisy(picture(*size, "float32", channels))).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it takes each channel for a narrow colour image
        wanted = restoration.estimate_sigma(values, channel_axis=2)
    assert noise_of(values) == pytest.approx(np.atleast_1d(wanted).tolist(), abs=1e-6)


@kinds
@pytest.mark.parametrize(("h", "patch", "distance"), [(0.1, 5, 3), (0.05, 3, 5), (0.15, 7, 4)])
def test_nl_means_is_its_formula(h: float, patch: int, distance: int, dtype: str, channels: int) -> None:
    pixels = noisy(picture(31, 23, dtype, channels))
    values, margin = fractions(pixels), distance + patch // 2
    around = np.pad(values, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    patches = sliding_window_view(around, (patch, patch), axis=(0, 1))
    center = patches[distance:-distance, distance:-distance]
    total, weights = np.zeros_like(values), np.zeros((*values.shape[:2], 1))
    for y in range(2 * distance + 1):
        for x in range(2 * distance + 1):
            there = patches[y : y + values.shape[0], x : x + values.shape[1]]
            weight = np.exp(-((there - center) ** 2).mean(axis=(2, 3, 4)) / h**2)[:, :, None]
            total += weight * there[:, :, :, patch // 2, patch // 2]
            weights += weight
    difference = np.abs(
        fractions(done("denoise_nl_means", pixels, h=h, patch=patch, distance=distance)) - total / weights
    )
    assert difference.max() <= {"uint8": 2.01 / 255, "uint16": 1e-5, "float32": 5e-6}[dtype]
    assert difference.mean() < 0.6 / 255


def test_nl_means_takes_h_from_the_noise() -> None:
    pixels = noisy(picture(53, 37, "float32"))
    h = H_PER_SIGMA * float(np.mean(noise_of(pixels)))
    assert np.array_equal(done("denoise_nl_means", pixels), done("denoise_nl_means", pixels, h=h))
    assert np.array_equal(
        done("denoise_nl_means", pixels, sigma=0.1), done("denoise_nl_means", pixels, h=0.1 * H_PER_SIGMA)
    )


def variation(values: NDArray[np.float64]) -> float:
    x, y = np.zeros_like(values), np.zeros_like(values)
    x[:, :-1], y[:-1] = np.diff(values, axis=1), np.diff(values, axis=0)
    return float(np.sqrt(x * x + y * y).sum())


@kinds
def test_tv_minimizes_rudin_osher_and_fatemis_energy(dtype: str, channels: int) -> None:
    pixels = noisy(picture(31, 23, dtype, channels))
    given_, made = fractions(pixels), fractions(done("denoise_tv", pixels, weight=0.1))
    random = np.random.default_rng(2)

    def energy(values: NDArray[np.float64]) -> float:
        return sum(
            float(((values[:, :, c] - given_[:, :, c]) ** 2).sum()) / 2 + 0.1 * variation(values[:, :, c])
            for c in range(channels)
        )

    # steps towards the given image, its mean, and anywhere else: none leads to less, but for what is left unsolved
    for other in (
        given_,
        np.broadcast_to(made.mean(axis=(0, 1)), made.shape),
        made + random.normal(0, 0.05, made.shape),
    ):
        for share in (0.05, 0.2):
            assert energy(made) <= energy(made + share * (other - made)) * 1.002
    assert energy(made) < 0.75 * energy(given_)


@kinds
@pytest.mark.parametrize("method", ["bayes", "visu"])
@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_wavelet_is_its_formula(method: str, mode: str, dtype: str, channels: int) -> None:
    pixels, var = noisy(picture(53, 37, dtype, channels)), 0.06**2
    wanted = []
    for channel in np.moveaxis(fractions(pixels), 2, 0):
        level = max(pywt.dwtn_max_level(channel.shape, "db1") - 3, 1)
        smooth, *details = pywt.wavedec2(channel, "db1", level=level)
        kept = [smooth]
        for bands in details:
            shrunk = []
            for band in bands:
                bayes = var / np.sqrt(max((band * band).mean() - var, np.finfo(np.float32).eps))
                threshold = bayes if method == "bayes" else 0.06 * np.sqrt(2 * np.log(channel.size))
                small = np.abs(band) < threshold
                shrunk.append(np.where(small, 0, band - np.sign(band) * (threshold if mode == "soft" else 0)))
            kept.append(tuple(shrunk))
        wanted.append(pywt.waverec2(kept, "db1")[: channel.shape[0], : channel.shape[1]])
    made = done("denoise_wavelet", pixels, method=method, mode=mode, sigma=0.06)
    difference = np.abs(fractions(made) - np.clip(np.stack(wanted, 2), *((0, 1) if dtype != "float32" else (-9, 9))))
    assert np.quantile(difference, 0.995) <= max(0.51 / RANGES[dtype] if dtype != "float32" else 0, 1e-5)


@kinds
@pytest.mark.parametrize("sigma", ["estimated", 0.06])
def test_wiener_is_scipys_inside(sigma: str | float, dtype: str, channels: int) -> None:
    pixels = noisy(picture(53, 37, dtype, channels))
    made = fractions(done("wiener", pixels, sigma=sigma))
    for c in range(channels):
        channel = np.pad(fractions(pixels)[:, :, c], 2, mode="reflect")
        noise = None
        if sigma != "estimated":
            noise = float(sigma) ** 2
        else:  # SciPy's, of the same windows
            mean = signal.correlate(channel, np.full((5, 5), 1 / 25), "valid")
            noise = float((signal.correlate(channel**2, np.full((5, 5), 1 / 25), "valid") - mean**2).mean())
        wanted = signal.wiener(channel, (5, 5), noise)[2:-2, 2:-2]
        if dtype != "float32":
            wanted = np.clip(wanted, 0, 1)
        assert np.abs(made[:, :, c] - wanted).max() <= (0.51 / RANGES[dtype] if dtype == "uint8" else 1e-5)
