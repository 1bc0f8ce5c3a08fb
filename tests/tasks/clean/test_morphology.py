"""Morphology against scikit-image: equal, value by value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import morphology

from tasks.clean.footprint import Morphology
from tests.tasks.images import KINDS, done, make, picture

NAMES = ["erosion", "dilation", "opening", "closing", "white_tophat", "black_tophat"]
FOOTPRINTS = {"disk": morphology.disk, "diamond": morphology.diamond, "square": lambda r: np.ones((2 * r + 1,) * 2)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize(("footprint", "radius"), [("disk", 1), ("disk", 6), ("diamond", 3), ("square", 2)])
def test_it_is_scikit_images(name: str, footprint: str, radius: int, dtype: str, channels: int) -> None:
    pixels = picture(53, 37, dtype, channels)
    made = done(name, pixels, footprint=footprint, radius=radius)
    reference, element = getattr(morphology, name), FOOTPRINTS[footprint](radius)
    wanted = [reference(pixels[:, :, c], element, mode="ignore") for c in range(channels)]
    assert made.dtype == pixels.dtype
    assert np.array_equal(made, np.stack(wanted, axis=2))


@given(st.sampled_from(NAMES), st.sampled_from(sorted(FOOTPRINTS)), st.integers(1, 9), st.integers(1, 9))
def test_no_radius_changes_nothing(name: str, footprint: str, width: int, height: int) -> None:
    pixels = picture(width, height)
    made = done(name, pixels, footprint=footprint, radius=0)
    assert np.array_equal(made, np.zeros_like(pixels) if name.endswith("tophat") else pixels)


@pytest.mark.parametrize("footprint", sorted(FOOTPRINTS))
@pytest.mark.parametrize("radius", [0, 1, 2, 7])
def test_the_footprint_is_scikit_images(footprint: str, radius: int) -> None:
    operation = make("opening", footprint=footprint, radius=radius)
    assert isinstance(operation, Morphology)
    assert np.array_equal(operation.element, FOOTPRINTS[footprint](radius))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_one_pixel_is_its_own_neighbourhood(name: str, dtype: str, channels: int) -> None:
    pixels = picture(1, 1, dtype, channels)
    assert np.array_equal(done(name, pixels, radius=30), pixels * 0 if name.endswith("tophat") else pixels)
