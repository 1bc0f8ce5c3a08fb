"""Flips, quarter turns and rotations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import transform as reference

from tasks.augment.rot90 import Rot90
from tasks.augment.rotate import Rotate
from tasks.image.geometry import Size
from tasks.operation import KeyedDraws
from tests.tasks.images import KINDS, done, fractions, picture, psnr, run, sample, step

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)


@kinds
@pytest.mark.parametrize("size", [(97, 71), (1, 1), (1, 8), (2, 3)])
def test_flips_are_exact_copies(size: tuple[int, int], dtype: str, channels: int) -> None:
    pixels = picture(*size, dtype, channels)
    assert np.array_equal(done("hflip", pixels, p=1), pixels[:, ::-1])
    assert np.array_equal(done("vflip", pixels, p=1), pixels[::-1])
    assert np.array_equal(done("hflip", done("hflip", pixels, p=1), p=1), pixels)


@kinds
def test_quarter_turns_are_numpys(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    seen = set()
    for seed in range(12):
        made = run([step("rot90", p=1)], sample(pixels), KeyedDraws(seed))
        turns = made.lineage[0].params["turns"]
        assert np.array_equal(made.picture(), np.rot90(pixels, turns))
        seen.add(turns)
    assert seen == {1, 2, 3}
    assert Rot90().fixed_size(Size(5, 4)) is None and Rot90().fixed_size(Size(5, 5)) == (5, 5)


@kinds
@pytest.mark.parametrize("degrees", [10, -33.3, 135])
def test_rotate_turns_as_scikit_image_does(degrees: float, dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    made = done("rotate", pixels, degrees=[degrees, degrees])
    wanted = reference.rotate(fractions(pixels), degrees, order=1, mode="constant")
    assert made.dtype == dtype and made.shape == pixels.shape
    assert psnr(fractions(made).astype(np.float32), wanted.astype(np.float32)) > 30  # its border blends otherwise
    inside = reference.rotate(np.ones((71, 97)), degrees, order=1) > 0.999
    inside &= reference.rotate(np.pad(np.ones((65, 91)), 3), degrees, order=0) > 0
    assert np.abs(fractions(made) - wanted)[inside].max() <= (1.01 / 255 if dtype == "uint8" else 2e-3)


@kinds
def test_no_angle_changes_nothing(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    for expand in ("keep", "fit", "crop"):
        assert np.array_equal(done("rotate", pixels, degrees=[0, 0], expand=expand), pixels)


def test_a_right_angle_is_an_exact_copy() -> None:
    pixels = picture(31, 23)
    assert np.array_equal(done("rotate", pixels, degrees=[90, 90], expand="fit"), np.rot90(pixels))
    assert np.array_equal(done("rotate", pixels, degrees=[180, 180]), pixels[::-1, ::-1])


@given(st.integers(1, 300), st.integers(1, 300), st.floats(-180, 180))
def test_fit_holds_all_and_crop_shows_no_fill(width: int, height: int, degrees: float) -> None:
    size = Size(width, height)
    fit = Rotate(degrees=(degrees, degrees), expand="fit")
    corners = size.corners @ np.array(fit.matrix(size, degrees=degrees))[:2, :2].T
    spans = np.ptp(corners, axis=0)
    assert np.abs(np.array(fit.canvas(size, degrees=degrees)) - np.ceil(spans - 1e-6)).max() <= 1e-6
    crop = Rotate(degrees=(degrees, degrees), expand="crop")
    canvas = crop.canvas(size, degrees=degrees)
    if min(canvas) > 1:
        back = np.linalg.inv(crop.matrix(size, degrees=degrees))
        source = canvas.corners @ back[:2, :2].T + back[:2, 2]
        assert (source > -1e-3).all() and (source < np.array(size) + 1e-3).all()


@pytest.mark.parametrize("expand", ["keep", "fit"])
def test_corners_that_open_are_filled(expand: str) -> None:
    made = done("rotate", np.full((40, 60, 1), 200, np.uint8), degrees=[20, 20], expand=expand, fill=0.5)
    assert made[0, 0, 0] == made[-1, -1, 0] == 128
    assert done("rotate", np.full((40, 60, 1), 200, np.uint8), degrees=[20, 20], expand="crop").min() == 200


def test_p_and_ranges_are_honoured() -> None:
    start = sample(np.zeros((4, 4, 1), np.uint8))
    flips, angles, brightness = 0, [], []
    for seed in range(2000):
        made = run(
            [step("hflip", p=0.3), step("rotate", degrees=[-5, 20]), step("brightness_contrast")],
            start,
            KeyedDraws(seed),
        )
        by = {one.operation: one.params for one in made.lineage}
        flips += "hflip" in by
        angles.append(by["rotate"]["degrees"])
        brightness.append(by["brightness_contrast"]["brightness"])
    assert abs(flips / 2000 - 0.3) < 0.04
    assert -5 <= min(angles) < -4.5 and 19.5 < max(angles) <= 20 and abs(np.mean(angles) - 7.5) < 0.6
    assert -0.2 <= min(brightness) and max(brightness) <= 0.2
    assert abs(np.corrcoef(angles, brightness)[0, 1]) < 0.08
