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
from tasks.report import delivered, drift
from tasks.report.drift import compare, drawn, kolmogorov_smirnov, of_numbers, population_stability
from tasks.report.drift_page import page
from tasks.store.dataset import open_dataset
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


CONSTANT = np.full(60, 500.0)
MOSTLY_ZERO = np.concatenate([np.zeros(60), np.linspace(1, 9, 40)])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (CONSTANT, CONSTANT - 200),
        (CONSTANT, CONSTANT + 200),
        (MOSTLY_ZERO, np.where(MOSTLY_ZERO == 0, -5.0, MOSTLY_ZERO)),
        (-MOSTLY_ZERO, np.where(MOSTLY_ZERO == 0, 5.0, -MOSTLY_ZERO)),
        (MOSTLY_ZERO, np.where(MOSTLY_ZERO == 0, 0.5, MOSTLY_ZERO)),
        (np.where(MOSTLY_ZERO == 0, -5.0, MOSTLY_ZERO), MOSTLY_ZERO),
    ],
    ids=["lower", "higher", "below the least", "above the greatest", "between", "back"],
)
def test_a_value_that_many_share_and_that_moves_is_a_large_drift(a: np.ndarray, b: np.ndarray) -> None:
    found = of_numbers("measures", "width", a, b)
    assert found.level == "large" and found.psi > drift.LARGE and found.ks is not None and found.ks >= 0.6


@settings(deadline=None)
@given(NUMBERS, NUMBERS, st.integers(1, 30))
def test_equals_are_stable_and_what_lies_apart_has_a_stability_index(a: np.ndarray, b: np.ndarray, by: int) -> None:
    same = of_numbers("measures", "width", a, a)
    assert (same.level, same.psi, same.ks) == ("stable", 0, 0)
    for apart in (b - b.max() + a.min() - by, b - b.min() + a.max() + by):
        found = of_numbers("measures", "width", a, apart)
        assert found.ks == 1 and found.psi > 0
        assert found.level == "large" or min(len(a), len(b)) < 10  # so few are apart by chance


def test_what_the_distance_alone_shows_is_no_stable_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "population_stability", lambda a, b: 0.0)
    levels = [of_numbers("", "", np.arange(1000.0), np.arange(1000.0) + by).level for by in (50, 150, 250, 5000)]
    assert levels == ["stable", "moderate", "large", "large"]


def test_the_distances_of_the_levels_are_those_of_normal_distributions_with_that_stability_index() -> None:
    for psi, ks in ((drift.MODERATE, drift.KS_MODERATE), (drift.LARGE, drift.KS_LARGE)):
        assert 2 * stats.norm.cdf(np.sqrt(psi) / 2) - 1 == pytest.approx(ks, abs=0.003)


def collection(folder: Path, seed: int, count: int, brightness: float, cats: float) -> None:
    rng = np.random.default_rng(seed)
    for i in range(count):
        label = "cat" if rng.random() < cats else "dog"
        (folder / label).mkdir(parents=True, exist_ok=True)
        pixels = np.clip(rng.normal(brightness, 40) + rng.normal(0, 30, (24, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / label / f"{seed}-{i}.png")


def dataset(folder: Path, seed: int, text: str = PIPELINE, **about: Any) -> Path:
    collection(folder / "source", seed, **about)
    return run(folder, text)


def run(folder: Path, text: str, **options: Any) -> Path:
    file = folder / "pipelines.yaml"
    file.write_text(text.replace("SOURCE", str(folder / "source")))
    serial(file, "small", folder / "out", **options)
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
    assert labels.ks is None and sum(labels.a.values()) == found.a.counts["listed"]  # type: ignore[union-attr]


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


BALANCED = """
version: 1
pipelines:
  small:
    source: {path: SOURCE}
    steps:
      - balance: {by: BY}
      - resize: {size: [8, 8]}
        id: small
      - augment: {copies: COPIES, transforms: [hflip]}
"""


@pytest.mark.parametrize(("by", "copies"), [("drop", "1"), ("augment", "balanced")])
def test_no_balance_hides_that_other_classes_were_delivered(by: str, copies: str, tmp_path: Path) -> None:
    text = BALANCED.replace("BY", by).replace("COPIES", copies)
    sides = []
    for seed, cats in enumerate((0.5, 0.9)):
        (tmp_path / str(seed)).mkdir()
        sides.append(dataset(tmp_path / str(seed), seed, text, count=60, brightness=150, cats=cats))
    labels = next(one for one in compare(*sides).drifts if one.name == "labels")
    assert labels.level == "large"
    for side, counted in zip(sides, (labels.a, labels.b), strict=True):
        there = {name: len(list((side.parent / "source" / name).iterdir())) for name in ("cat", "dog")}
        assert counted == there


BRANCHES = """
version: 1
pipelines:
  small:
    source: {path: SOURCE, frames: all}
    steps:
      - resize: {size: [8, 8]}
        id: small
      - dark: {below: 0.5}
      - augment: {copies: 2, original: false, transforms: [hflip]}
        id: copies
      - low_information: {below: 0.3}
        id: even
        needs: small
    outputs:
      light: {from: copies}
      dim: {from: even}
"""


def test_each_image_counts_once_whatever_outputs_and_copies_hold_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for name, frames in (("cat", 3), ("dog", 2)):
        (tmp_path / "source" / name).mkdir(parents=True)
        for i in range(6):
            pages = [Image.fromarray(rng.integers(0, 40 * i + 20, (12, 12, 3), np.uint8)) for _ in range(frames)]
            pages[0].save(tmp_path / "source" / name / f"{i}.tif", save_all=True, append_images=pages[1:])
    (tmp_path / "source" / "dog" / "broken.tif").write_bytes(b"II*")
    Image.fromarray(np.zeros((12, 12, 3), np.uint8)).save(tmp_path / "source" / "none.png")
    out = run(tmp_path, BRANCHES)
    version = open_dataset(out).version
    assert all(sum(rows.values()) for rows in version["counts"]["rows"].values()) and version["counts"]["rejected"]
    labels = next(one for one in compare(out, out).drifts if one.name == "labels")
    assert labels.a == {"cat": 18, "dog": 13, "(no label)": 1}
    assert sum(labels.a.values()) == version["counts"]["listed"]


BOXES = """
version: 1
pipelines:
  small:
    source: {path: SOURCE, format: coco, annotations: boxes.json}
    steps:
      - resize: {size: [16, 16], fit: stretch}
      - augment: {copies: 3, original: ORIGINAL, transforms: [hflip]}
"""


@pytest.mark.parametrize("original", ["true", "false"])
def test_boxes_of_copies_do_not_count(original: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for i in range(5):
        Image.fromarray(np.full((20, 20, 3), 40 * i, np.uint8)).save(tmp_path / "source" / f"{i}.png")
    about = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 20, "height": 20} for i in range(5)],
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "pan"}],
        "annotations": [
            {"id": i, "image_id": i % 5, "category_id": 1 + (i > 4), "bbox": [2, 2, 9, 9], "area": 81, "iscrowd": 0}
            for i in range(7)
        ],
    }
    (tmp_path / "source" / "boxes.json").write_text(json.dumps(about))
    out = run(tmp_path, BOXES.replace("ORIGINAL", original))
    categories = next(one for one in compare(out, out).drifts if one.name == "categories")
    assert categories.a == categories.b == {"cup": 5, "pan": 2}


FITTED = """
version: 1
pipelines:
  small:
    source: {path: SOURCE}
    steps:
      - split: {train: 0.6, test: 0.4}
      - resize: {size: [16, 16]}
        id: small
      - color_moments: {}
        id: moments
      - pca: {of: moments, components: 3}
        id: p
      - convert_color: {space: rgb}
        needs: small
      - normalize: {statistics: fitted}
      - intensity_statistics: {}
        id: after
    outputs:
      features: {from: p}
      others: {from: after}
"""


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 2 has more images and the fits of version 1, version 3 those images and its own fits."""
    folder = tmp_path_factory.mktemp("fitted")
    dataset(folder, 0, FITTED, count=30, brightness=150, cats=0.5)
    collection(folder / "source", 1, count=40, brightness=60, cats=0.5)
    run(folder, FITTED)
    return run(folder, FITTED, refit=True)


def test_vectors_of_other_fits_are_left_out_and_it_is_said(fitted: Path) -> None:
    pinned, refitted = compare(f"{fitted}@1", f"{fitted}@2"), compare(f"{fitted}@2", f"{fitted}@3")
    names = [{one.name.split("[")[0] for one in found.drifts} for found in (pinned, refitted)]
    assert {"p", "after", "moments"} <= names[0] and pinned.notes == []
    assert {"p", "after"}.isdisjoint(names[1]) and "moments" in names[1]
    assert [note.split(" was fitted")[0] for note in refitted.notes] == [
        "p is left out: p",
        "after is left out: normalize",
    ]
    assert refitted.as_json()["notes"] == refitted.notes
    assert drawn(refitted).splitlines()[-2:] == refitted.notes
    text = page(refitted)
    assert all(note in text for note in refitted.notes) and text.count("How it is told") == 1


@pytest.mark.parametrize("rows", [7, 25, 1000])
def test_vectors_are_those_of_the_smallest_ids_of_all_splits(
    rows: int, fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivered, "ROWS", rows)
    table = open_dataset(fitted).table("features", columns=["id", "split", "moments"]).sort_by("id").slice(0, rows)
    assert set(table.column("split").to_pylist()) == {"train", "test"}
    found = next(one for one in compare(fitted, fitted).drifts if one.name.startswith("moments["))
    assert isinstance(found.a, drift.Summary) and found.a.images == len(table)
    expected = np.array(table.column("moments").to_pylist())[:, 0]
    assert found.a.mean == pytest.approx(expected.mean(), rel=1e-6)
