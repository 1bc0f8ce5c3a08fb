"""Resize: fits, sizes known before any image, positions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.image.geometry import Size
from tasks.standardize.resize import Resize
from tests.tasks.images import KINDS, done, fractions, in_dtype, picture

sides = st.integers(1, 200)


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize("fit", ["stretch", "pad", "crop", "shortest", "longest"])
def test_every_fit_gives_its_size_in_every_dtype(fit: str, dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    made = done("resize", pixels, size=48, fit=fit)
    shapes = {"shortest": (48, 66), "longest": (35, 48)}
    assert made.shape == (*shapes.get(fit, (48, 48)), channels)
    assert made.dtype == dtype


@given(sides, sides, sides, sides, st.sampled_from(["stretch", "pad", "crop"]))
def test_the_size_is_known_without_the_source_where_it_is_fixed(w: int, h: int, tw: int, th: int, fit: str) -> None:
    resize = Resize(size=(tw, th), fit=fit)
    assert resize.fixed_size(None) == resize.canvas(Size(w, h)) == (tw, th)
    assert Resize(size=tw, fit="shortest").fixed_size(None) is None
    shortest, longest = Resize(size=tw, fit="shortest"), Resize(size=tw, fit="longest")
    assert min(shortest.canvas(Size(w, h))) == max(longest.canvas(Size(w, h))) == tw
    assert shortest.fixed_size(Size(w, h)) == shortest.canvas(Size(w, h))


@given(sides, sides, st.integers(1, 640), st.integers(1, 640))
def test_pad_is_ultralytics_letterbox(w: int, h: int, tw: int, th: int) -> None:
    ratio = min(tw / w, th / h)
    inner = max(1, round(w * ratio)), max(1, round(h * ratio))
    left, top = round((tw - inner[0]) / 2 - 0.1), round((th - inner[1]) / 2 - 0.1)
    got = Resize(size=(tw, th), fit="pad").matrix(Size(w, h))
    assert got[0].tolist() == pytest.approx([inner[0] / w, 0, max(0, left)])
    assert got[1].tolist() == pytest.approx([0, inner[1] / h, max(0, top)])


def test_pad_fills_with_114_of_255_or_what_is_asked() -> None:
    pixels = np.zeros((10, 20, 3), np.uint8)
    assert done("resize", pixels, size=20, fit="pad")[0, 0].tolist() == [114] * 3
    assert done("resize", pixels, size=20, fit="pad", fill=1)[0, 0].tolist() == [255] * 3
    assert done("resize", in_dtype(pixels, "uint16"), size=20, fit="pad")[0, 0, 0] == 114 * 257
    made = done("resize", pixels, size=21, fit="pad")
    assert np.flatnonzero(made[:, 10, 0] != 114).tolist() == list(range(5, 15))  # round(11 / 2 - 0.1) above


@pytest.mark.parametrize(("position", "corner"), [("top_left", (0, 0)), ("bottom_right", (10, 0)), ("center", (5, 0))])
def test_position_places_the_padded_image(position: str, corner: tuple[int, int]) -> None:
    made = done("resize", np.zeros((10, 20, 1), np.uint8), size=20, fit="pad", position=position)
    assert np.argwhere(made[:, :, 0] == 0)[0].tolist() == list(corner)


def test_crop_covers_and_cuts_the_middle() -> None:
    pixels = picture(97, 71)
    made = done("resize", pixels, size=71, fit="crop")
    assert np.array_equal(made, pixels[:, 13:84])
    assert np.array_equal(done("resize", pixels, size=71, fit="crop", position="top_left"), pixels[:, :71])


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_the_same_size_changes_nothing(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    for fit in ("stretch", "pad", "crop"):
        assert np.array_equal(done("resize", pixels, size=[31, 23], fit=fit), pixels)


def test_plain_linear_shrinking_is_never_silent() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 1), dtype=np.uint8)
    smooth = done("resize", noise, size=20, interpolation="linear")
    rough = done("resize", noise, size=20, interpolation="linear", antialias=False)
    assert fractions(smooth).std() < 0.05 < 0.1 < fractions(rough).std()


def test_a_number_is_a_square_and_one_side_takes_one_number() -> None:
    assert Resize(size=64).size == (64, 64)
    with pytest.raises(ValidationError, match="fit: shortest takes one number, the shortest side, got \\[10, 20\\]"):
        Resize(size=(10, 20), fit="shortest")
    with pytest.raises(ValidationError):
        Resize(size=0)
