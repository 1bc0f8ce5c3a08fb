"""Noise: moments as published, on flat images, to 4 standard errors: 1 false alarm in 16,000 (seeds are fixed)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from skimage.util import random_noise

from tasks.operation import KeyedDraws
from tests.tasks.images import KINDS, RANGES, done, fractions, picture, run, sample, step

kinds = pytest.mark.parametrize(("dtype", "channels"), KINDS)
SIDE = 120
ROUNDED = {"uint8": 1 / 255**2 / 12, "uint16": 0.0, "float32": 0.0}  # the variance of rounding


def flat(value: float, dtype: str, channels: int) -> Any:
    return np.full((SIDE, SIDE, channels), value * RANGES[dtype], dtype)


def spread(made: Any, mean: float, variance: float) -> None:
    values = fractions(made).ravel()
    assert abs(values.mean() - mean) < 4 * (variance / values.size) ** 0.5 + 2e-5
    assert abs(values.var() / (variance + ROUNDED[made.dtype.name]) - 1) < 4 * (3 / values.size) ** 0.5


@kinds
def test_gaussian_noise_is_gaussian_in_every_value(dtype: str, channels: int) -> None:
    made = done("gaussian_noise", flat(0.4, dtype, channels), std=0.05)
    spread(made, fractions(flat(0.4, dtype, channels))[0, 0, 0], 0.05**2)
    if dtype == "float32":
        assert stats.kstest((made.ravel() - 0.4) / 0.05, "norm").pvalue > 1e-3
        assert channels == 1 or abs(np.corrcoef(made.reshape(-1, 3).T)[0, 1]) < 4 / SIDE
        assert np.abs(np.fft.fft2(made[:, :, 0] - made.mean()) ** 2).mean() == pytest.approx(
            0.05**2 * SIDE**2, rel=0.05
        )


@kinds
def test_shot_noise_has_the_variance_of_counts(dtype: str, channels: int) -> None:
    start = flat(0.4, dtype, channels)
    spread(done("shot_noise", start, photons=200), fractions(start)[0, 0, 0], 0.4 / 200)
    if dtype == "float32":
        counts = done("shot_noise", start, photons=200) * 200
        assert np.allclose(counts, np.rint(counts), atol=1e-3)
        poisson = stats.poisson.cdf(np.arange(200), 80)
        seen = np.searchsorted(np.sort(counts.ravel()), np.arange(200) + 0.5) / counts.size
        assert np.abs(seen - poisson).max() < 1.95 / counts.size**0.5


@kinds
def test_speckle_grows_with_the_light(dtype: str, channels: int) -> None:
    for value in (0.2, 0.5):
        start = flat(value, dtype, channels)
        spread(done("speckle", start, std=0.1), fractions(start)[0, 0, 0], (value * 0.1) ** 2)


def test_noise_is_as_strong_as_scikit_images() -> None:
    start = np.full((200, 200), 0.5)
    for name, mode, parameters in (
        ("gaussian_noise", "gaussian", {"var": 0.0025}),
        ("speckle", "speckle", {"var": 0.0025}),
    ):
        theirs = random_noise(start, mode, rng=1, **parameters)
        ours = done(name, start[:, :, None].astype(np.float32), std=0.05)
        assert ours.std() == pytest.approx(theirs.std(), rel=0.03)


@kinds
def test_salt_and_pepper_and_pixel_dropout_hit_whole_pixels(dtype: str, channels: int) -> None:
    start = flat(0.4, dtype, channels)
    made = fractions(done("salt_and_pepper", start, amount=0.2, salt=0.25))
    error = 4 * (0.2 * 0.8) ** 0.5 / SIDE
    assert abs((made[:, :, 0] == 1).mean() - 0.05) < error and abs((made[:, :, 0] == 0).mean() - 0.15) < error
    assert (made == made[:, :, :1]).all()
    gone = fractions(done("pixel_dropout", start, amount=0.1, fill=1)) == 1
    assert abs(gone.mean() - 0.1) < error and (gone == gone[:, :, :1]).all()


@kinds
def test_iso_noise_shares_light_and_not_colour(dtype: str, channels: int) -> None:
    for value in (0.25, 0.5):
        made = fractions(done("iso_noise", flat(value, dtype, channels), intensity=0.05, color=0.02)).reshape(
            -1, channels
        )
        shared, own = value * 0.05**2, 0.02**2 * (channels == 3)
        total = shared + own + ROUNDED[dtype]
        assert made.var(axis=0) == pytest.approx(total, rel=4 * (2 / SIDE**2) ** 0.5)
        if channels == 3:
            assert np.cov(made.T)[0, 1] == pytest.approx(shared, rel=0.1)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gaussian_noise", {"std": 0}),
        ("speckle", {"std": 0}),
        ("salt_and_pepper", {"amount": 0}),
        ("pixel_dropout", {"amount": 0}),
        ("iso_noise", {"intensity": 0, "color": 0}),
        ("glass_blur", {"sigma": 0, "reach": 0}),
        ("fog", {"density": 0}),
        ("snow", {"amount": 0, "haze": 0}),
        ("rain", {"amount": 0, "darkening": 0}),
    ],
)
def test_nothing_to_do_changes_nothing(name: str, parameters: dict[str, Any]) -> None:
    for dtype, channels in KINDS:
        pixels = picture(31, 23, dtype, channels)
        assert np.array_equal(done(name, pixels, **parameters), pixels)


@pytest.mark.parametrize(
    "name", ["gaussian_noise", "shot_noise", "salt_and_pepper", "glass_blur", "fog", "snow", "rain"]
)
def test_the_seed_alone_makes_the_field(name: str) -> None:
    pixels = picture(40, 30)
    made = [run([step(name)], sample(pixels, content), KeyedDraws(1)) for content in (b"a", b"a", b"b")]
    assert made[0].picture().tobytes() == made[1].picture().tobytes() != made[2].picture().tobytes()
    seeds = [one.lineage[0].params["seed"] for one in made]
    assert seeds[0] == seeds[1] != seeds[2] and all(0 <= seed < 2**53 for seed in seeds)
    assert set(made[0].lineage[0].params) <= {
        "seed",
        "std",
        "photons",
        "amount",
        "sigma",
        "density",
        "length",
        "degrees",
    }
