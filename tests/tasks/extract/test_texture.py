"""Lbp, glcm, gabor and daisy against scikit-image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import feature, filters

from tasks.extract.daisy import Daisy
from tasks.extract.gabor import Gabor
from tasks.extract.glcm import Glcm
from tasks.extract.lbp import Lbp
from tests.tasks.images import KINDS, fractions, picture

PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "asm", "energy", "correlation", "mean", "variance", "entropy")


def gray(dtype: str = "uint8", channels: int = 1, width: int = 97, height: int = 71) -> NDArray[np.float64]:
    """Rec. 601 luma of the test picture, as fractions."""
    return fractions(picture(width, height, dtype, channels)) @ ([0.299, 0.587, 0.114] if channels == 3 else [1])


def deep_gray(dtype: str, channels: int) -> NDArray[np.uint16]:
    return np.rint(gray(dtype, channels) * 65_535).astype(np.uint16)


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize(("points", "radius"), [(8, 1), (16, 2), (24, 3.5), (5, 1)])
@pytest.mark.parametrize("method", ["uniform", "nri_uniform"])
def test_lbp_is_scikit_images(method: str, points: int, radius: float, dtype: str, channels: int) -> None:
    made = Lbp(points=points, radius=radius, method=method).extract(picture(97, 71, dtype, channels))
    margin = 5
    padded = np.pad(deep_gray(dtype, channels), margin, mode="edge")
    labels = feature.local_binary_pattern(padded, points, radius, method)[margin:-margin, margin:-margin]
    wanted = np.bincount(labels.astype(int).ravel(), minlength=len(made)) / labels.size
    assert made.shape == wanted.shape
    assert np.abs(made - wanted).sum() <= 0.02  # pixels at which scikit-image's rounding decides a tie


def test_lbp_takes_equal_values_as_ones_and_names_patterns() -> None:
    flat = np.full((9, 9, 1), 100, np.uint8)
    lbp = Lbp(points=8, radius=(1, 2.5), method="nri_uniform")
    names = lbp.components(None, None)
    assert len(names) == 2 * 59
    assert [names[i] for i in np.flatnonzero(lbp.extract(flat))] == ["radius_1.ones_8", "radius_2.5.ones_8"]
    dark_right = np.where(np.arange(9) < 5, 200, 50).astype(np.uint8)[None, :, None].repeat(9, axis=0)
    counted = dict(zip(names, lbp.extract(dark_right), strict=True))
    assert counted["radius_1.ones_5_from_2"] == pytest.approx(1 / 9)  # the column beside the edge sees the left half
    assert counted["radius_1.ones_8"] == pytest.approx(8 / 9)


def test_lbp_wants_a_number_of_points_for_each_radius() -> None:
    with pytest.raises(ValueError, match="2 numbers of points for 1 radii"):
        Lbp(points=(8, 16), radius=1)


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_glcm_is_scikit_images(symmetric: bool, dtype: str, channels: int) -> None:
    glcm = Glcm(distances=(1, 4), angles=(0, 45, 90, 135), levels=16, symmetric=symmetric, properties=PROPERTIES)
    made = glcm.extract(picture(97, 71, dtype, channels)).reshape(2, 4, -1)
    levels = (deep_gray(dtype, channels).astype(int) * 16 // 65_536).astype(np.uint8)
    # angles turn the other way there
    matrix = feature.graycomatrix(levels, (1, 4), -np.deg2rad([0, 45, 90, 135]), 16, symmetric=symmetric)
    for i, name in enumerate(PROPERTIES):
        wanted = feature.graycoprops(matrix, "ASM" if name == "asm" else name)
        assert np.allclose(made[:, :, i], wanted, rtol=2e-5 if channels == 1 else 1e-3), name


def test_glcm_of_one_pixel_has_no_pairs() -> None:
    assert Glcm(properties=("contrast", "correlation")).extract(picture(1, 1)).tolist() == [0, 1] * 4


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_gabor_is_scikit_images(dtype: str, channels: int) -> None:
    gabor = Gabor(frequencies=(0.1, 0.35), orientations=4)
    made = gabor.extract(picture(97, 71, dtype, channels)).reshape(-1, 2)
    values = gray(dtype, channels)
    filtered = [filters.gabor(values, f, -np.pi * k / 4) for f in (0.1, 0.35) for k in range(4)]
    wanted = [(energy.mean(), energy.std()) for energy in (np.hypot(*parts) for parts in filtered)]
    assert np.allclose(made, wanted, atol=2e-5)


def test_gabor_finds_the_wave() -> None:
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    wave = (0.5 + 0.5 * np.cos(2 * np.pi * 0.2 * (x - y) / np.sqrt(2)))[:, :, None].astype(np.float32)
    gabor = Gabor()
    means = dict(zip(gabor.components(None, None), gabor.extract(wave), strict=True))
    # brighter to the upper right: the wave runs at 45 degrees, counter-clockwise
    assert max(means, key=lambda name: means[name] * name.endswith("mean")) == "frequency_0.2.orientation_45.mean"


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize(("step", "radius", "rings", "histograms", "orientations"), [(8, 15, 3, 8, 8), (5, 9, 2, 5, 6)])
def test_daisy_is_scikit_images(
    step: int, radius: int, rings: int, histograms: int, orientations: int, dtype: str, channels: int
) -> None:
    daisy = Daisy(step=step, radius=radius, rings=rings, histograms=histograms, orientations=orientations)
    made = daisy.extract(picture(97, 71, dtype, channels))
    dense = feature.daisy(gray(dtype, channels), step, radius, rings, histograms, orientations)
    dense = dense.reshape(-1, dense.shape[-1])
    assert np.allclose(made, np.concatenate([dense.mean(axis=0), dense.std(axis=0)]), atol=2e-5)


def test_daisy_mirrors_what_is_too_small() -> None:
    small = picture(20, 25)
    mirrored = cv2.copyMakeBorder(small, 3, 3, 5, 6, cv2.BORDER_REFLECT)
    assert np.allclose(Daisy().extract(small), Daisy().extract(mirrored), atol=1e-6)
