"""Colour and intensity features against scikit-image, SciPy and NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from skimage import color, measure

from tasks.extract.color_histogram import ColorHistogram
from tasks.extract.color_moments import ColorMoments
from tasks.extract.entropy import Entropy
from tasks.extract.intensity_statistics import IntensityStatistics
from tests.tasks.images import KINDS, fractions, picture

LUMA = [0.299, 0.587, 0.114]


def planes(pixels: Any, space: str) -> NDArray[np.float64]:
    """scikit-image's colours, each channel from 0 to 1."""
    rgb = fractions(pixels)
    rgb = rgb if rgb.shape[2] == 3 else rgb.repeat(3, axis=2)
    if space == "gray":
        return (rgb @ LUMA)[:, :, None]
    if space == "hsv":
        return np.asarray(color.rgb2hsv(rgb))
    if space == "lab":
        return np.asarray((color.rgb2lab(rgb) - np.array([0, -128, -128])) / [100, 255, 255])
    if space == "ycrcb":
        y = rgb @ LUMA
        return np.stack([y, (rgb[:, :, 0] - y) / 1.402 + 0.5, (rgb[:, :, 2] - y) / 1.772 + 0.5], axis=2)
    return rgb


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize("space", ["rgb", "gray", "hsv", "lab", "ycrcb"])
def test_color_moments_are_those_of_scikit_images_planes(space: str, dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    values = planes(pixels, space).reshape(-1, 1 if space == "gray" else 3)
    wanted = [values.mean(axis=0), values.std(axis=0), np.cbrt(((values - values.mean(axis=0)) ** 3).mean(axis=0))]
    made = ColorMoments(space=space).extract(pixels)
    tolerance = 5e-3 if space == "lab" else 2e-3  # OpenCV's L*a*b* is made of tables
    assert np.allclose(made[0::3], wanted[0], atol=tolerance) and np.allclose(made[1::3], wanted[1], atol=tolerance)
    if channels == 3:  # the cube root blows up rounding where a channel is flat
        assert np.allclose(made[2::3], wanted[2], atol=10 * tolerance)


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize("space", ["rgb", "gray", "hsv", "lab", "ycrcb"])
@pytest.mark.parametrize("method", ["marginal", "joint"])
def test_color_histograms_are_numpys(method: str, space: str, dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    made = ColorHistogram(bins=7, space=space, method=method).extract(pixels)
    values = planes(pixels, space).reshape(-1, 1 if space == "gray" else 3)
    ranges = [(0, 1)] * values.shape[1]
    if method == "joint":
        wanted = np.histogramdd(values, 7, ranges)[0].ravel()
    else:
        wanted = np.concatenate([np.histogram(column, 7, (0, 1))[0] for column in values.T])
    count = 1 if method == "joint" else len(ranges)
    assert made.sum() == pytest.approx(count, abs=1e-5)
    exact = space == "rgb" and dtype != "float32"
    # elsewhere rounding moves colours that lie on the edge of a bin
    assert np.abs(made - wanted / len(values)).sum() <= (1e-5 if exact else 0.02 * count)


def test_color_histograms_count_each_depth_alike_and_gray_as_gray() -> None:
    histogram = ColorHistogram(space="hsv", bins=12)
    made = [histogram.extract(picture(97, 71, dtype)) for dtype in ("uint8", "uint16", "float32")]
    assert np.array_equal(made[0], made[1]) and np.array_equal(made[0], made[2])
    gray = dict(zip(histogram.components(None, 1), histogram.extract(picture(9, 9, channels=1)), strict=True))
    assert gray["hue_0"] == gray["saturation_0"] == 1
    joint = ColorHistogram(bins=2, method="joint").components(None, None)
    assert joint[1] == "red_0.green_0.blue_1" and len(joint) == 8
    with pytest.raises(ValueError, match="at most 16 bins"):
        ColorHistogram(bins=17, method="joint")


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_intensity_statistics_are_scipys(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    values = planes(pixels, "gray").ravel()
    shares = (0, 10, 50, 99.5)
    wanted = [values.mean(), values.std(), stats.skew(values), stats.kurtosis(values), *np.percentile(values, shares)]
    assert np.allclose(IntensityStatistics(percentiles=shares).extract(pixels), wanted, atol=1e-4)


def test_a_flat_image_is_neither_skewed_nor_peaked() -> None:
    made = IntensityStatistics(percentiles=(50,)).extract(np.full((5, 9, 1), 51, np.uint8))
    assert np.allclose(made, [0.2, 0, 0, 0, 0.2])
    assert IntensityStatistics().extract(picture(1, 1)).shape == (11,)
    assert len(IntensityStatistics(percentiles=()).extract(picture(3, 3))) == 4


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_entropy_is_scikit_images(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    levels = np.rint(planes(pixels, "gray") * 65_535).astype(int) // 256
    assert Entropy().extract(pixels)[0] == pytest.approx(measure.shannon_entropy(levels), abs=2e-3)


def test_entropy_is_none_where_all_is_equal_and_whole_where_all_is_even() -> None:
    assert Entropy().extract(picture(1, 1)).tolist() == [0]
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    assert Entropy().extract(every).tolist() == [8]
    assert Entropy(bins=16).extract(every).tolist() == [4]
