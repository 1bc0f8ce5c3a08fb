"""Curves: each value by its own value, against scikit-image, Pillow and the formulae that the docstrings name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import ValidationError
from skimage import exposure, util

from tasks.image.render import look_up
from tests.tasks.images import KINDS, RANGES, done, fractions, make, picture, run, sample, step

Values = NDArray[np.float64]
kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)
SIZES = [(31, 23), (1, 1)]


def close(made: NDArray[Any], wanted: Values, dtype: str) -> bool:
    """Half a level for integers, which are clipped; 1e-6 for float32, which is not."""
    wanted = wanted if dtype == "float32" else np.clip(wanted, 0, 1)
    tolerance = 1e-6 * max(1, np.abs(wanted).max()) if dtype == "float32" else 0.5001 / RANGES[dtype]
    return made.dtype == dtype and bool(np.abs(fractions(made) - wanted).max() <= tolerance)


FORMULAE: dict[str, tuple[str, dict[str, Any], Callable[[Values], Values]]] = {
    "gamma": ("gamma", {"gamma": 0.4}, lambda v: exposure.adjust_gamma(v, 0.4)),
    "gamma 2.2": ("gamma", {"gamma": 2.2}, lambda v: exposure.adjust_gamma(v, 2.2)),
    "log": ("log", {}, exposure.adjust_log),
    "log, more": ("log", {"strength": 100, "gain": 1.2}, lambda v: 1.2 * np.log2(1 + 100 * v) / np.log2(101)),
    "sigmoid": ("sigmoid", {}, exposure.adjust_sigmoid),
    "sigmoid, soft": ("sigmoid", {"cutoff": 0.3, "gain": 4}, lambda v: exposure.adjust_sigmoid(v, 0.3, 4)),
    "invert": ("invert", {}, util.invert),
    "brightness": ("brightness", {"brightness": -0.3}, lambda v: v - 0.3),
    "contrast": ("contrast", {"contrast": 0.7}, lambda v: 1.7 * v - 0.35),
    "quantize": ("quantize", {"levels": 5}, lambda v: np.rint(v * 4) / 4),
    "quantize down": ("quantize", {"levels": 5, "rounding": "down"}, lambda v: np.floor(v * 4 + 1e-6) / 4),
    "window": (
        "window",
        {"center": 0.4, "width": 0.3},
        lambda v: exposure.rescale_intensity(v, in_range=(0.25, 0.55), out_range=(0, 1)),
    ),
    "window sigmoid": (
        "window",
        {"center": 0.4, "width": 0.3, "function": "sigmoid"},
        lambda v: exposure.adjust_sigmoid(v, 0.4, 4 / 0.3),
    ),
    "solarize": ("solarize", {"threshold": 0.3}, lambda v: np.where(v >= 0.3, 1 - v, v)),
}


@kinds
@pytest.mark.parametrize("case", FORMULAE)
def test_curves_are_their_references(case: str, dtype: str, channels: int) -> None:
    name, parameters, formula = FORMULAE[case]
    for size in SIZES:
        pixels = picture(*size, dtype, channels)
        assert close(done(name, pixels, **parameters), formula(fractions(pixels)), dtype)


IDENTITIES: list[tuple[str, dict[str, Any]]] = [
    ("gamma", {"gamma": 1}),
    ("brightness", {"brightness": 0}),
    ("contrast", {"contrast": 0}),
    ("window", {}),
    ("solarize", {"threshold": 1}),
    ("stretch", {"percentiles": [0, 100]}),
    ("saturation", {"saturation": 0}),
    ("hue", {"hue": 0}),
]


@kinds
@pytest.mark.parametrize(("name", "parameters"), IDENTITIES)
def test_identity_parameters_change_nothing(name: str, parameters: dict[str, Any], dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    pixels[0, 0], pixels[0, 1] = 0, RANGES[dtype] if name != "solarize" else 0
    pixels = np.where(pixels == RANGES[dtype], 0, pixels) if name == "solarize" else pixels
    made = done(name, pixels, **parameters)
    assert np.abs(fractions(made) - fractions(pixels)).max() <= (1e-6 if dtype == "float32" else 1.001 / 65_535)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=9))
def test_float32_is_neither_clipped_nor_broken_by_gamma_and_its_likes(values: list[float]) -> None:
    pixels = np.array(values, np.float32).reshape(1, -1, 1)
    for name, parameters in IDENTITIES[:3]:
        assert np.allclose(done(name, pixels, **parameters), pixels, rtol=1e-6, atol=1e-6)
    for name in ("log", "sigmoid", "invert", "quantize", "solarize", "posterize", "window", "stretch", "autocontrast"):
        assert np.isfinite(done(name, pixels)).all()
    assert np.allclose(done("invert", done("invert", pixels)), pixels, atol=1e-6)


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_is_pillows(bits: int) -> None:
    pixels = picture(31, 23)
    wanted = np.asarray(ImageOps.posterize(Image.fromarray(pixels), bits))
    made = done("posterize", pixels, bits=bits)
    assert np.array_equal(made, wanted)
    for dtype in ("uint16", "float32"):
        again = done("posterize", picture(31, 23, dtype), bits=bits)
        assert np.allclose(fractions(again), fractions(made), atol=1e-6)


@pytest.mark.parametrize("threshold", [0, 1, 77, 128, 254, 255])
def test_solarize_is_pillows(threshold: int) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    wanted = np.asarray(ImageOps.solarize(Image.fromarray(pixels[:, :, 0]), threshold))
    assert np.array_equal(done("solarize", pixels, threshold=threshold / 255)[:, :, 0], wanted)


def dicom(x: int, center: float, width: float, top: int) -> float:
    """DICOM PS3.3 C.11.2.1.2.1, in its own words, with ymin 0 and ymax ``top``."""
    if x <= center - 0.5 - (width - 1) / 2:
        return 0
    if x > center - 0.5 + (width - 1) / 2:
        return top
    return ((x - (center - 0.5)) / (width - 1) + 0.5) * top


@pytest.mark.parametrize(("center", "width"), [(128, 256), (100, 50), (100, 1), (0, 30), (300, 200)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_linear_window_is_dicoms(center: float, width: float, dtype: str) -> None:
    top = RANGES[dtype]
    pixels = np.arange(0, 256, dtype=dtype).reshape(16, 16, 1)
    made = done("window", pixels, center=center / top, width=width / top, function="linear")
    wanted = [dicom(x, center, width, top) for x in range(256)]
    assert np.abs(made.ravel().astype(float) - wanted).max() <= 0.501


def test_fixed_numbers_are_not_random_and_ranges_are() -> None:
    assert not make("gamma", gamma=2).is_random and not make("gamma", gamma=[2, 2]).is_random
    assert make("gamma", gamma=[1, 2]).is_random and make("gamma", gamma=2, p=0.5).is_random
    assert make("gamma").is_random and not make("invert").is_random and make("invert", p=0.5).is_random
    assert make("gamma", gamma=2).canonical() == make("gamma", gamma=[2, 2]).canonical()
    assert make("posterize", bits=[2, 6]).is_random and not make("posterize").is_random


def test_what_is_drawn_is_uniform_and_recorded() -> None:
    pixels = picture(1, 1)

    def drawn(name: str, **parameters: Any) -> list[float]:
        starts = [sample(pixels, i.to_bytes(2, "big")) for i in range(400)]
        made = [run([step(name, **parameters)], start) for start in starts]
        return [one.lineage[0].params[name if name != "posterize" else "bits"] for one in made if one.lineage]

    # Kolmogorov-Smirnov at 400 draws: 1.95 / 20 is exceeded once in 1,000 seeds
    values = np.sort(drawn("gamma", gamma=[0.5, 2.5]))
    assert np.abs((values - 0.5) / 2 - np.arange(400) / 400).max() < 0.0975
    assert set(drawn("gamma", gamma=2)) == {2.0}
    assert set(drawn("posterize", bits=[2, 4])) == {2, 3, 4}
    assert 140 < len(drawn("hue", p=0.5)) < 260  # 6 standard deviations


def test_mistakes_are_named() -> None:
    for name, parameters in (("gamma", {"gamma": 0}), ("gamma", {"gamma": [1, 200]}), ("hue", {"hue": 0.6})):
        with pytest.raises(ValidationError, match="expected a number in"):
            make(name, **parameters)
    with pytest.raises(ValidationError, match="low <= high"):
        make("gamma", gamma=[2, 1])
    with pytest.raises(ValidationError, match="whole numbers of bits"):
        make("posterize", bits=2.5)
    with pytest.raises(ValidationError):
        make("gamma", gamma="much")


@kinds
def test_neighbouring_curves_become_one_table(dtype: str, channels: int) -> None:
    pixels = picture(31, 23, dtype, channels)
    steps = [step("gamma", gamma=0.5), step("invert"), step("contrast", contrast=0.2)]
    made = run(steps, sample(pixels))
    assert len(made.curves) == 3
    wanted = 1.2 * (1 - fractions(pixels) ** 0.5) - 0.1
    assert close(look_up(pixels, made.curves), wanted, dtype)
