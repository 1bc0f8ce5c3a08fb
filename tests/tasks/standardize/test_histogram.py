"""Contrast from an image's own histogram: stretch, autocontrast, equalize, clahe, match_histogram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import ValidationError
from skimage import exposure

from tasks.standardize.percentiles import percentiles
from tests.tasks.images import KINDS, RANGES, done, fractions, make, picture

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)
REFERENCE = "data/sample/quickstart/photos/coffee.jpg"
LEVEL = 1 / 255


def spread(made: NDArray[Any], wanted: NDArray[Any]) -> float:
    return float(np.abs(fractions(made) - wanted).max())


@kinds
@pytest.mark.parametrize("per", ["image", "channel"])
def test_counted_percentiles_are_numpys(per: Any, dtype: str, channels: int) -> None:
    for size in ((31, 23), (1, 1), (2, 1)):
        pixels = picture(*size, dtype, channels)
        shares = (0, 0.5, 33.3, 50, 99, 100)
        wanted = np.percentile(fractions(pixels), shares, axis=(0, 1) if per == "channel" else None)
        assert np.allclose(percentiles(pixels, shares, per), wanted.reshape(6, -1), atol=1e-7)


@kinds
def test_stretch_is_scikit_images_rescaling(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    values = fractions(pixels)
    wanted = exposure.rescale_intensity(values, in_range=tuple(np.percentile(values, (2, 98))), out_range=(0, 1))
    assert spread(done("stretch", pixels), wanted) <= 0.5001 / RANGES[dtype] + 1e-6 * (dtype == "float32")
    each = done("stretch", pixels, percentiles=[10, 90], per="channel")
    for channel in range(channels):
        alone = pixels[:, :, channel : channel + 1]
        assert np.array_equal(each[:, :, channel : channel + 1], done("stretch", alone, percentiles=[10, 90]))


@kinds
def test_autocontrast_is_pillows_within_a_level(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    eight = picture(97, 71, "uint8", channels)
    image = Image.fromarray(eight if channels == 3 else eight[:, :, 0])
    wanted = np.asarray(ImageOps.autocontrast(image)).reshape(eight.shape) / 255
    assert spread(done("autocontrast", pixels), wanted) <= 1.01 * LEVEL
    cut = np.asarray(ImageOps.autocontrast(image, cutoff=5)).reshape(eight.shape) / 255
    assert spread(done("autocontrast", pixels, cutoff=5), cut) <= 4 * LEVEL  # Pillow interpolates no percentiles


@kinds
@pytest.mark.parametrize("name", ["stretch", "autocontrast", "equalize"])
def test_flat_images_stay_as_they_are(name: str, dtype: str, channels: int) -> None:
    for size in ((31, 23), (1, 1)):
        flat = np.full((*size, channels), np.asarray(0.3 * RANGES[dtype]).astype(dtype), dtype)
        assert np.abs(fractions(done(name, flat)) - fractions(flat)).max() <= 1e-5


def equalized(values: NDArray[np.float64], levels: int) -> NDArray[np.float64]:
    """Gonzalez and Woods, with the darkest level at 0: (cdf(v) - cdf(darkest)) / (1 - cdf(darkest))."""
    counts = np.bincount(np.rint(values.ravel() * (levels - 1)).astype(int), minlength=levels)
    cdf = np.cumsum(counts) / values.size
    darkest = cdf[np.nonzero(counts)[0][0]]
    return np.asarray(((cdf - darkest) / (1 - darkest))[np.rint(values * (levels - 1)).astype(int)])


@kinds
def test_equalize_is_the_formula(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    made = done("equalize", pixels)
    levels = 256 if dtype == "uint8" else 65_536
    for channel in range(channels):
        wanted = equalized(fractions(pixels)[:, :, channel], levels)
        assert spread(made[:, :, channel], wanted) <= 0.51 / (levels - 1)
    eight = done("equalize", picture(97, 71, "uint8", channels))
    assert spread(made, fractions(eight)) <= 0.51 * LEVEL


@pytest.mark.parametrize("dtype", RANGES)
def test_equalized_luminance_keeps_the_colours(dtype: str) -> None:
    pixels = picture(97, 71, dtype)
    made = done("equalize", pixels, channels="luminance")
    luma = fractions(pixels) @ [0.299, 0.587, 0.114]
    wanted = equalized(luma, 65_536)
    inside = ((fractions(made) > 0.01) & (fractions(made) < 0.99)).all(axis=2)  # elsewhere RGB has been clipped
    assert np.abs(fractions(made) @ [0.299, 0.587, 0.114] - wanted)[inside].max() <= 0.03
    hue, before = (np.diff(fractions(one), axis=2) for one in (made, pixels))
    assert np.abs(hue - before)[inside].max() <= 3 * LEVEL


@kinds
def test_clahe_comes_out_alike_in_every_dtype(dtype: str, channels: int) -> None:
    for size in ((97, 71), (64, 64), (64, 70), (1, 1), (3, 2)):
        made = done("clahe", picture(*size, dtype, channels), clip_limit=3)
        wanted = fractions(done("clahe", picture(*size, "uint8", channels), clip_limit=3))
        if channels == 1:
            assert spread(made, wanted) <= 1.001 * LEVEL
        elif size[0] > 3:  # OpenCV's 8-bit Lab is rounded
            assert np.abs(fractions(made) - wanted).mean() <= 5 * LEVEL


def test_clahe_of_gray_is_opencvs() -> None:
    pixels = picture(97, 71, "uint8", 1)
    for limit, tiles in ((2.0, (8, 8)), (5.0, (3, 4))):
        wanted = cv2.createCLAHE(limit, tiles).apply(pixels)
        assert np.array_equal(done("clahe", pixels, clip_limit=limit, tiles=list(tiles))[:, :, 0], wanted)


@pytest.mark.parametrize("dtype", RANGES)
def test_clahe_is_near_scikit_images(dtype: str) -> None:
    # Its excess is spread otherwise, again and again: 3.2 levels of 255 apart on average
    made = done("clahe", picture(256, 256, dtype, 1), clip_limit=5.12)
    wanted = exposure.equalize_adapthist(fractions(picture(256, 256, "uint8", 1))[:, :, 0], (32, 32), clip_limit=0.02)
    assert np.abs(fractions(made)[:, :, 0] - wanted).mean() <= 4 * LEVEL


@kinds
def test_matched_histograms_are_scikit_images(dtype: str, channels: int) -> None:
    reference = cv2.imread(REFERENCE)[:, :, ::-1]
    if channels == 1:
        reference = cv2.cvtColor(np.ascontiguousarray(reference), cv2.COLOR_RGB2GRAY)[:, :, None]
    for size in ((97, 71), (1, 1)):
        pixels = picture(*size, dtype, channels)
        wanted = exposure.match_histograms(fractions(pixels), reference / 255, channel_axis=2)
        tolerance = 1e-6 if dtype == "float32" else 0.51 / RANGES[dtype]
        assert spread(done("match_histogram", pixels, reference=REFERENCE), wanted) <= tolerance


@kinds
def test_an_image_matched_to_itself_stays_as_it_is(dtype: str, channels: int, tmp_path: Path) -> None:
    pixels = picture(31, 23, "uint8", channels)
    file = tmp_path / "self.png"
    cv2.imwrite(str(file), pixels[:, :, ::-1])
    made = done("match_histogram", picture(31, 23, dtype, channels), reference=str(file))
    assert np.abs(fractions(made) - fractions(pixels)).max() <= 1e-6
    gray = tmp_path / "gray16.png"
    cv2.imwrite(str(gray), picture(31, 23, "uint16", 1))
    assert done("match_histogram", pixels, reference=str(gray)).shape == pixels.shape


def test_the_references_content_decides_the_fingerprint(tmp_path: Path) -> None:
    copy, other = tmp_path / "copy.jpg", tmp_path / "other.png"
    copy.write_bytes(Path(REFERENCE).read_bytes())
    cv2.imwrite(str(other), picture(5, 5))
    same = make("match_histogram", reference=str(copy)).canonical()
    assert same == make("match_histogram", reference=REFERENCE).canonical()
    assert same != make("match_histogram", reference=str(other)).canonical()


def test_a_reference_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(ValidationError, match="OpenCV reads no image"):
        make("match_histogram", reference=str(tmp_path / "text.jpg"))
    with pytest.raises(ValidationError, match="No such file"):
        make("match_histogram", reference=str(tmp_path / "none.jpg"))
    with pytest.raises(ValidationError, match="0 <= low < high <= 100"):
        make("stretch", percentiles=[5, 101])
