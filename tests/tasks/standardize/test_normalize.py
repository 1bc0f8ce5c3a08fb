"""Normalize and convert_dtype: values as fractions of the range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from skimage import exposure

from tasks.errors import Rejected
from tasks.operation import DTYPES, Step
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


def torchio(images: list[NDArray[Any]], shares: list[float]) -> NDArray[np.float64]:
    """TorchIO's ``_average_mapping``: the mean landmarks of images on the scale 0 to 1."""
    database = np.array([np.percentile(image, shares) for image in images])
    first, last = database[:, 0], database[:, -1]
    slopes = 1 / (last - first)
    return np.asarray(slopes @ database / len(images) - np.mean(slopes * first))


def torchio_normalized(image: NDArray[Any], landmarks: NDArray[np.float64], shares: list[float]) -> NDArray[Any]:
    """TorchIO's ``_normalize``: a line for each stretch between an image's own landmarks."""
    own = np.percentile(image, shares)
    bins = np.digitize(image.ravel(), own[1:-1], right=False)
    slopes = np.diff(landmarks) / np.diff(own)
    intercepts = landmarks[:-1] - slopes * own[:-1]
    return np.asarray((slopes[bins] * image.ravel() + intercepts[bins]).reshape(image.shape))


@pytest.mark.parametrize("dtype", DTYPES)
def test_histogram_is_torchios_standardization(dtype: str) -> None:
    shares = [1, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 99]
    images = [picture(97, 71, dtype)[:, cut:] for cut in (0, 20, 45)]
    operation = Normalize(method="histogram", per="image", percentiles=(1, 99))
    parts = [dict(operation.accumulate(sample(image))) for image in images]
    values = operation.fit([pa.Table.from_pylist(parts, pa.schema(dict(operation.accumulators())))])
    landmarks = torchio([fractions(image) for image in images], [*shares])
    assert np.allclose(values["landmarks"], [landmarks], rtol=1e-6)
    made = run([Step(id="normalize", operation=operation.with_fit(values))], sample(images[1])).picture()
    assert np.allclose(made, torchio_normalized(fractions(images[1]), landmarks, [*shares]), atol=2e-5)


def test_given_limits_become_0_and_1_and_the_rest_is_clipped() -> None:
    pixels = picture(31, 23)
    made = done("normalize", pixels, method="percentile", statistics={"low": [0.2], "high": [0.7]})
    assert np.allclose(made, np.clip((fractions(pixels) - 0.2) / 0.5, 0, 1), atol=1e-6)


def test_fitted_statistics_are_each_channels_unless_said_otherwise() -> None:
    assert Normalize(statistics="fitted").per == Normalize(method="histogram").per == "channel"
    assert Normalize(statistics="fitted", per="image").per == "image"
    assert (Normalize().per, Normalize(method="percentile").fit_from) == ("image", None)


def test_a_flat_collection_is_fitted_and_becomes_zeros() -> None:
    flat = np.full((4, 5, 3), 77, np.uint8)
    for method in ("mean_std", "percentile"):
        operation = Normalize(method=method, statistics="fitted")
        rows = pa.Table.from_pylist([dict(operation.accumulate(sample(flat)))])
        fitted = operation.with_fit(operation.fit([rows]))
        assert np.allclose(run([Step(id="normalize", operation=fitted)], sample(flat)).picture(), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "histogram", "statistics": "image"}, "use statistics: fitted"),
        ({"method": "zscore", "statistics": "fitted"}, "use method: mean_std for a collection's"),
        ({"method": "histogram", "statistics": {"landmarks": [[0, 1]]}}, "these percentiles have 13 landmarks, got 2"),
        ({"method": "percentile", "statistics": "clip"}, "clip has a mean and a deviation"),
        ({"method": "percentile", "statistics": {"low": [0.5], "high": [0.5]}}, "each low must be below its high"),
        ({"method": "mean_std", "statistics": {"low": [0], "high": [1]}}, "takes mean and std, got low and high"),
    ],
)
def test_statistics_of_another_method_say_what_it_takes(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Normalize(**given)
