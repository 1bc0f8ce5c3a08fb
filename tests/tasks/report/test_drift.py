"""Two datasets side by side: what is alike is called alike, what was changed is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import stats

from flows.cli import main
from tasks.errors import RequestError
from tasks.report.drift import compare, kolmogorov_smirnov, population_stability
from tests.tasks.run.serial import serial

NUMBERS = hnp.arrays(np.float64, st.integers(1, 60), elements=st.integers(-20, 20).map(float))
COUNTS = hnp.arrays(np.float64, 7, elements=st.integers(0, 10**6).map(float)).filter(lambda a: a.sum() > 0)
PIPELINE = """
version: 1
pipelines:
  small:
    source: {path: SOURCE}
    steps:
      - screen: {dark: {below: 0.1}}
      - resize: {size: [16, 16]}
        id: small
      - color_moments: {}
        id: moments
    outputs:
      images: {from: small}
      features: {from: moments}
"""


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_the_greatest_distance_is_scipys(a: np.ndarray, b: np.ndarray) -> None:
    with np.errstate(divide="ignore"):  # of the p-value, which is not looked at
        expected = stats.ks_2samp(a, b, method="asymp").statistic
    assert kolmogorov_smirnov(a, b) == pytest.approx(expected, abs=1e-12)


@given(COUNTS, COUNTS)
def test_the_stability_index_is_that_of_both_directions_and_zero_for_equals(a: np.ndarray, b: np.ndarray) -> None:
    assert population_stability(a, b) == pytest.approx(population_stability(b, a))
    assert population_stability(a, b) >= 0 and population_stability(a, a) == 0


def test_the_stability_index_is_the_published_formula() -> None:
    a, b = np.array([2e9, 5e9, 3e9]), np.array([3e9, 5e9, 2e9])
    expected = 0.1 * np.log(0.3 / 0.2) + 0 + -0.1 * np.log(0.2 / 0.3)
    assert population_stability(a, b) == pytest.approx(expected, rel=1e-6)


def collection(folder: Path, seed: int, count: int, brightness: float, cats: float) -> None:
    rng = np.random.default_rng(seed)
    for i in range(count):
        label = "cat" if rng.random() < cats else "dog"
        (folder / label).mkdir(parents=True, exist_ok=True)
        pixels = np.clip(rng.normal(brightness, 40) + rng.normal(0, 30, (24, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / label / f"{seed}-{i}.png")


def dataset(folder: Path, seed: int, **about: Any) -> Path:
    collection(folder / "source", seed, **about)
    file = folder / "pipelines.yaml"
    file.write_text(PIPELINE.replace("SOURCE", str(folder / "source")))
    serial(file, "small", folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A delivery, one like it, and one that is darker and holds more cats."""
    usual = {"count": 150, "brightness": 150, "cats": 0.5}
    made = [usual, usual, {"count": 150, "brightness": 90, "cats": 0.85}]
    a, b, c = (dataset(tmp_path_factory.mktemp("drift"), seed, **about) for seed, about in enumerate(made))
    return a, b, c


def test_a_delivery_like_the_one_before_is_stable(three: tuple[Path, Path, Path]) -> None:
    found = compare(three[0], three[1])
    assert found.level == "stable"
    assert {one.name for one in found.drifts} >= {"dark", "width", "height", "bytes", "labels", "fates"}
    assert any(one.name.startswith("moments[") for one in found.drifts)


def test_what_was_changed_is_found_and_comes_first(three: tuple[Path, Path, Path]) -> None:
    found = compare(three[0], three[2])
    levels = {one.name.split("[")[0]: one.level for one in found.drifts}
    assert found.level == levels["dark"] == levels["moments"] == levels["labels"] == "large"
    assert levels["width"] == levels["height"] == "stable"
    order = [one.level for one in found.drifts]
    assert order == sorted(order, key=["large", "moderate", "stable"].index)
    labels = next(one for one in found.drifts if one.name == "labels")
    assert labels.ks is None and sum(labels.a.values()) == found.a.counts["kept"]  # type: ignore[union-attr]


def test_the_command_says_it_and_stops_a_pipeline_that_asks_for_it(
    three: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    a, b, c = map(str, three)
    told = CliRunner().invoke(main, ["compare", a, c])
    assert told.exit_code == 0 and "large" in told.output.splitlines()[4], told.output
    assert CliRunner().invoke(main, ["compare", a, c, "--fail-on", "large"]).exit_code == 1
    assert CliRunner().invoke(main, ["compare", a, b, "--fail-on", "moderate"]).exit_code == 0
    page = tmp_path / "drift.html"
    assert CliRunner().invoke(main, ["compare", a, c, "--html", str(page)]).exit_code == 0
    text = page.read_text("utf-8")
    assert text.count("<figure>") == 6 and "Something differs much" in text and 'src="http' not in text
    found = json.loads(CliRunner().invoke(main, ["compare", a, c, "--json"]).output)
    assert found["level"] == "large" and found["a"]["images"] == 150
    assert found["lacking"] == {"a": [], "b": []}


def test_a_version_can_be_named_and_what_is_not_there_is_told(three: tuple[Path, Path, Path]) -> None:
    found = compare(f"{three[0]}@1", three[0])
    assert found.level == "stable" and all(one.psi == 0 for one in found.drifts)
    with pytest.raises(RequestError, match="no version 9"):
        compare(f"{three[0]}@9", three[0])
    with pytest.raises(RequestError, match="no dataset"):
        compare(three[0], three[0] / "nowhere")
