"""Hog against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import feature

from tasks.extract.hog import Hog
from tasks.image.geometry import Size
from tests.tasks.images import KINDS, fractions, in_dtype, picture, size_of


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize(
    ("size", "orientations", "cell", "block"),
    [
        ((128, 128), 9, (16, 16), (2, 2)),
        ((97, 71), 9, (8, 8), (3, 3)),
        ((50, 64), 8, (10, 7), (2, 1)),
        ((9, 9), 4, (3, 2), (1, 1)),
    ],
)
def test_it_is_scikit_images(
    size: tuple[int, int], orientations: int, cell: tuple[int, int], block: tuple[int, int], dtype: str, channels: int
) -> None:
    pixels = picture(*size, dtype, channels)
    hog = Hog(orientations=orientations, cell=cell, block=block)
    made = hog.extract(pixels)
    given = picture(*size, "uint8", channels).astype(np.float64)
    axis = None if channels == 1 else -1
    wanted = feature.hog(given.squeeze(), orientations, cell[::-1], block[::-1], "L2-Hys", channel_axis=axis)
    assert made.dtype == np.float32 and made.shape == wanted.shape
    # in float32 rounding decides where channels tie, or where a gradient points to the edge of a bin
    assert np.corrcoef(made, wanted)[0, 1] > (0.9999 if dtype != "float32" else 0.9995)
    assert np.abs(made - wanted).max() <= 1e-5 or dtype == "float32"


def test_the_depth_does_not_count() -> None:
    pixels = picture(64, 64)
    assert np.allclose(Hog().extract(pixels), Hog().extract(in_dtype(pixels, "uint16")), atol=1e-5)


def test_components_name_what_is_extracted() -> None:
    hog, pixels = Hog(cell=(16, 8)), picture(50, 40)
    names = hog.components(size_of(pixels), 3)
    assert len(names) == len(set(names)) == len(hog.extract(pixels))
    assert (names[0], names[1], names[9], names[-1]) == ("0.0.0.0.0", "0.0.0.0.1", "0.0.0.1.0", "3.1.1.1.8")
    edge = np.zeros((40, 50, 1), np.float32)
    edge[:, 25:] = 1  # a vertical edge: gradient along x, orientation 0, in the second cell across
    strongest = names[int(hog.extract(edge).argmax())]
    assert strongest.split(".")[1:2] + strongest.split(".")[3:] in (["0", "1", "0"], ["1", "0", "0"])


def test_a_length_that_is_not_fixed_or_empty_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="put resize before it"):
        Hog().components(None, 3)
    with pytest.raises(ValueError, match=r"an image of \[15, 40\] px holds no block of \[16, 16\] px"):
        Hog().components(Size(15, 40), 3)


def test_a_flat_image_has_no_gradients() -> None:
    assert not Hog().extract(np.full((32, 32, 3), 9, np.uint8)).any()
    assert fractions(picture()).max() <= 1
