"""Crops copy pixels."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.errors import Rejected
from tasks.standardize.crop import Crop
from tests.tasks.images import KINDS, done, picture


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_crops_are_exact_copies(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    assert np.array_equal(done("crop", pixels, box=[3, 5, 40, 30]), pixels[5:35, 3:43])
    assert np.array_equal(done("center_crop", pixels, size=[40, 30]), pixels[20:50, 28:68])
    assert np.array_equal(done("center_crop", pixels, size=[97, 71]), pixels)


def test_what_lies_outside_is_filled() -> None:
    pixels = np.full((3, 4, 1), 9, np.uint8)
    made = done("center_crop", pixels, size=[7, 6], fill=1)
    assert np.argwhere(made[:, :, 0] == 9).tolist() == [[y, x] for y in range(1, 4) for x in range(1, 5)]
    assert done("crop", pixels, box=[-1, -1, 3, 3])[:, :, 0].tolist() == [[0, 0, 0], [0, 9, 9], [0, 9, 9]]


def test_a_box_that_misses_the_image_is_a_verdict() -> None:
    with pytest.raises(Rejected, match="lies outside an image of 97 x 71") as caught:
        done("crop", picture(97, 71), box=[97, 0, 5, 5])
    assert caught.value.reason == "outside_image"
    assert Crop(box=(0, 0, 5, 6)).fixed_size(None) == (5, 6)
