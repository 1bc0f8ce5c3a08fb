"""Normalize and convert_dtype: values as fractions of the range."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from skimage import exposure

from tasks.errors import Rejected
from tasks.operation import DTYPES
from tasks.standardize.normalize import Normalize
from tests.tasks.images import KINDS, done, fractions, picture, run, sample, step

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)


@kinds
def test_unit_gives_fractions_of_the_range(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    made = done("normalize", pixels, method="unit")
    assert made.dtype == np.float32 and np.allclose(made, fractions(pixels), atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_imagenet_is_torchvisions_normalize(dtype: str) -> None:
    pixels = picture(31, 23, dtype)
    wanted = (fractions(pixels) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert np.allclose(done("normalize", pixels), wanted, atol=1e-5)
    given = done("normalize", pixels, statistics={"mean": [0.5], "std": [0.25]})
    assert np.allclose(given, (fractions(pixels) - 0.5) / 0.25, atol=1e-5)


@kinds
@pytest.mark.parametrize("per", ["image", "channel"])
def test_own_statistics_give_mean_0_and_deviation_1(per: str, dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    made = done("normalize", pixels, method="zscore", per=per)
    axes = (0, 1) if per == "channel" else None
    assert np.allclose(made.mean(axis=axes), 0, atol=1e-4) and np.allclose(made.std(axis=axes), 1, atol=1e-4)
    assert np.array_equal(made, done("normalize", pixels, method="mean_std", statistics="image", per=per))


@kinds
def test_minmax_and_percentile_are_scikit_images_rescaling(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    made = done("normalize", pixels, method="minmax")
    assert np.allclose(made, exposure.rescale_intensity(fractions(pixels), out_range=(0, 1)), atol=1e-5)
    low, high = np.percentile(fractions(pixels), (2, 98))
    wanted = exposure.rescale_intensity(fractions(pixels), in_range=(low, high), out_range=(0, 1))
    assert np.allclose(done("normalize", pixels, method="percentile", percentiles=[2, 98]), wanted, atol=1e-5)


@pytest.mark.parametrize("method", ["minmax", "percentile", "zscore"])
def test_a_flat_image_becomes_zeros(method: str) -> None:
    assert np.allclose(done("normalize", np.full((4, 5, 3), 77, np.uint8), method=method), 0, atol=1e-12)


def test_the_wrong_number_of_channels_is_a_verdict_that_says_what_to_do() -> None:
    with pytest.raises(Rejected, match=r"put `convert_color: \{space: rgb\}` before normalize") as caught:
        done("normalize", picture(31, 23, "uint8", 1))
    assert caught.value.reason == "wrong_channels"


def test_it_measures_what_the_steps_before_it_gave() -> None:
    pixels = picture(97, 71)
    made = run([step("resize", size=40), step("hflip", p=1), step("normalize", method="minmax")], sample(pixels))
    small = done("hflip", done("resize", pixels, size=40), p=1)
    assert np.array_equal(made.picture(), done("normalize", small, method="minmax"))
    assert made.dtype == "float32"


def test_mistakes_are_named() -> None:
    with pytest.raises(ValidationError, match="mean has 3 values, std has 1"):
        Normalize(statistics={"mean": [0, 0, 0], "std": [1]})
    with pytest.raises(ValidationError, match="std must be above 0"):
        Normalize(statistics={"mean": [0], "std": [0]})
    with pytest.raises(ValidationError, match="statistics belong to method: mean_std"):
        Normalize(method="unit", statistics="clip")
    with pytest.raises(ValidationError, match="0 <= low < high <= 100"):
        Normalize(method="percentile", percentiles=(5, 101))


@kinds
@pytest.mark.parametrize("wanted", DTYPES)
def test_converting_keeps_the_fraction_of_the_range(wanted: str, dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    made = done("convert_dtype", pixels, dtype=wanted)
    assert made.dtype == wanted
    assert np.abs(fractions(made) - fractions(pixels)).max() <= 1e-6
    assert np.array_equal(done("convert_dtype", made, dtype=dtype), pixels)


def test_rounding_down_never_rounds_up() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    down = done("convert_dtype", ramp, dtype="uint8", rounding="down")
    assert np.array_equal(down, (ramp // 257).astype(np.uint8))
    assert np.array_equal(done("convert_dtype", ramp, dtype="uint8"), np.rint(ramp / 257).astype(np.uint8))
    beyond = np.array([[[-0.5], [0.5], [1.5]]], dtype=np.float32)
    assert done("convert_dtype", beyond, dtype="uint8").ravel().tolist() == [0, 128, 255]
