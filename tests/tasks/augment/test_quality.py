"""Blur, compression, resolution, echoes: against SciPy, scikit-image, Pillow, and OpenCV where it is not used."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import transform as reference

from tasks.augment.defocus import disk
from tasks.augment.motion_blur import line
from tasks.image.sample import Pixels
from tests.tasks.images import KINDS, done, fractions, picture, run, sample, step

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)
SMALL = [(1, 1), (1, 9), (8, 1)]


def close(made: Pixels, wanted: NDArray[Any], levels: float = 0.6) -> None:
    assert np.abs(fractions(made) - wanted).max() <= (levels / 255 if made.dtype == np.uint8 else 1e-4)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("motion_blur", {"length": 1}),
        ("defocus", {"radius": 0}),
        ("zoom_blur", {"zoom": 0}),
        ("downscale", {"scale": 1}),
        ("pixelate", {"scale": 1}),
        ("ghosting", {"strength": 0}),
    ],
)
def test_nothing_to_do_changes_nothing(name: str, parameters: dict[str, Any]) -> None:
    for dtype, channels in KINDS:
        for size in [(31, 23), *SMALL]:
            pixels = picture(*size, dtype, channels)
            assert np.abs(fractions(done(name, pixels, **parameters)) - fractions(pixels)).max() <= 1e-6


@kinds
def test_motion_blur_along_an_axis_is_scipys_uniform_filter(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    for degrees, axis in ((0, 1), (90, 0), (180, 1)):
        wanted = ndimage.uniform_filter1d(fractions(pixels), 7, axis=axis, mode="mirror")
        close(done("motion_blur", pixels, length=7, degrees=degrees), wanted)


def test_a_line_is_as_long_as_asked_for_and_turns_counter_clockwise() -> None:
    kernel = line(9, 45)
    assert (
        kernel.sum() == pytest.approx(1) and kernel[:4, 5:].sum() > 0.3 and not kernel[:4, :3].any()
    )  # up to the right
    for degrees in (0, 20, 77, -130):
        kernel = line(30, degrees)
        y, x = np.indices(kernel.shape) - kernel.shape[0] // 2
        assert (kernel * (x**2 + y**2)).sum() == pytest.approx(30**2 / 12, rel=0.02)
        assert np.allclose(kernel, kernel[::-1, ::-1], atol=1e-6)


@kinds
def test_defocus_is_a_convolution_with_a_disk(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    at = (np.arange(9 * 40) + 0.5) / 40 - 4.5
    finer = (np.hypot(at, at[:, None]) <= 3.7).reshape(9, 40, 9, 40).mean(axis=(1, 3))
    wanted = ndimage.convolve(fractions(pixels), (finer / finer.sum())[:, :, None], mode="mirror")
    assert np.abs(fractions(done("defocus", pixels, radius=3.7)) - wanted).max() <= 1 / 255
    assert disk(0.5).shape == (1, 1) and disk(2).shape == (5, 5)


@kinds
def test_zoom_blur_is_the_mean_of_enlargements(dtype: str, channels: int) -> None:
    pixels = picture(61, 47, dtype, channels)
    total = np.zeros(pixels.shape)
    steps = np.linspace(0, 0.2, 4)  # a corner moves 7.7 px
    for by in steps:
        about = reference.AffineTransform(scale=1 + by, translation=(-by * 30, -by * 23))
        total += reference.warp(fractions(pixels), about.inverse, order=1, mode="edge") / len(steps)
    close(done("zoom_blur", pixels, zoom=0.2), total, 1)


@kinds
def test_glass_blur_takes_values_from_near_by(dtype: str, channels: int) -> None:
    y, x = np.mgrid[0:71, 0:97]
    ramp = np.repeat(((x + 2 * y)[:, :, None] * {"uint8": 1, "uint16": 200, "float32": 0.004}[dtype]), channels, axis=2)
    pixels = ramp.astype(dtype)
    made = done("glass_blur", pixels, sigma=0, reach=3).astype(np.float64) / pixels.flat[channels]
    steps = (made - (x + 2 * y)[:, :, None])[5:-5, 5:-5]
    assert np.abs(steps).max() <= 9.001 and np.abs(steps.mean()) < 0.3
    assert set(np.rint(np.unique(steps)).astype(int)) == set(range(-9, 10))
    pixels = picture(97, 71, dtype, channels)
    twice = ndimage.gaussian_filter(fractions(pixels), (2**0.5, 2**0.5, 0), mode="mirror")
    assert np.abs(fractions(done("glass_blur", pixels, sigma=1, reach=0)) - twice)[8:-8, 8:-8].max() <= 5 / 255


@pytest.mark.parametrize("quality", [10, 50, 95])
def test_jpeg_compression_is_pillows(quality: int) -> None:
    for channels in (1, 3):
        pixels = picture(97, 71, channels=channels)
        file = io.BytesIO()
        Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        wanted = np.asarray(Image.open(file)).reshape(pixels.shape).astype(int)
        error = np.abs(done("jpeg_compression", pixels, quality=quality) - wanted)
        assert error.max() <= 1  # both are libjpeg-turbo, of different versions


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_compression_keeps_the_depth(channels: int) -> None:
    wanted = fractions(done("jpeg_compression", picture(31, 23, channels=channels), quality=40))
    for dtype in ("uint16", "float32"):
        pixels = picture(31, 23, dtype, channels)
        assert np.abs(fractions(done("jpeg_compression", pixels, quality=40)) - wanted).max() <= 1e-4
        fine = (pixels + {"uint16": 60, "float32": 0.001}[dtype] * (np.arange(31) % 2)[:, None]).astype(dtype)
        assert len(np.unique(done("jpeg_compression", fine, quality=40))) > 256


@kinds
def test_downscale_and_pixelate_start_from_the_means_of_blocks(dtype: str, channels: int) -> None:
    pixels = picture(96, 72, dtype, channels)
    means = fractions(pixels).reshape(18, 4, 24, 4, channels).mean(axis=(1, 3))
    close(done("pixelate", pixels, scale=0.25), means.repeat(4, axis=0).repeat(4, axis=1))
    enlarged = reference.resize(means, (72, 96), order=1, mode="edge", anti_aliasing=False)
    close(done("downscale", pixels, scale=0.25), enlarged, 1.1)


@kinds
def test_ringing_cuts_opencvs_cosine_transform(dtype: str, channels: int) -> None:
    pixels = picture(96, 72, dtype, channels)
    made = done("ringing", pixels, cutoff=0.4)
    for channel in range(channels):
        spectrum = cv2.dct(fractions(pixels)[:, :, channel])
        y, x = np.indices(spectrum.shape)
        spectrum[(x / 96) ** 2 + (y / 72) ** 2 > 0.4**2] = 0
        close(made[:, :, channel], cv2.idct(spectrum).clip(0, 1 if dtype != "float32" else 9), 0.6) if (
            dtype != "float32"
        ) else close(made[:, :, channel], cv2.idct(spectrum))


@kinds
def test_ghosting_adds_shifted_copies(dtype: str, channels: int) -> None:
    pixels = (picture(96, 72, dtype, channels) * 0.5 + {"uint8": 60, "uint16": 15_000, "float32": 0.25}[dtype]).astype(
        dtype
    )
    for seed in range(4):
        made = run([step("ghosting", ghosts=4, strength=0.5)], sample(pixels, bytes([seed])))
        axis = made.lineage[0].params["axis"]
        copies = sum(np.roll(fractions(pixels), n * pixels.shape[axis] // 4, axis=axis) for n in range(4)) / 4
        mean = fractions(pixels).mean(axis=axis, keepdims=True)
        close(made.picture(), fractions(pixels) - 0.5 * (copies - mean))
