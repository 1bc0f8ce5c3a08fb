"""The map is the principal components, by another way; its pictures are those of its rows."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.report.feature_map import OTHERS, TILE, feature_map, project
from tasks.report.statistics import Statistics
from tasks.store.dataset import open_dataset
from tests.tasks.run.serial import serial
from tests.tasks.store.builder import Builder, Kept

ROOT = Path(__file__).parents[3]
MANY = """
version: 1
pipelines:
  many:
    source: {path: images}
    steps:
      - resize: {size: [8, 8]}
      - hu_moments: {}
    outputs:
      features: {from: hu_moments}
"""


@pytest.mark.parametrize("shape", [(40, 7), (30, 500), (3, 2)])
def test_places_are_those_of_a_singular_value_decomposition(shape: tuple[int, int]) -> None:
    vectors = np.random.default_rng(1).normal(size=shape) * np.linspace(3, 1, shape[1])
    places, shares = project(vectors)
    centred = vectors - vectors.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    expected = left[:, :2] * values[:2]
    signs = np.sign((expected * places).sum(axis=0))
    np.testing.assert_allclose(places, expected * signs, atol=1e-8)
    np.testing.assert_allclose(shares, values[:2] ** 2 / (values**2).sum(), atol=1e-10)


def test_equal_vectors_lie_in_one_place() -> None:
    places, shares = project(np.ones((5, 3)))
    assert not places.any() and shares == (0.0, 0.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("map") / "out"
    serial(ROOT / "pipelines.yaml", "quickstart", root, limit=20)
    return root


def test_every_row_has_its_place_and_its_picture(dataset: Path) -> None:
    found = feature_map(Statistics.of(dataset))
    assert found is not None and (found.column, found.output) == ("descriptors", "features")
    rows = open_dataset(dataset).table("features", columns=["id"]).num_rows
    assert len(found.dots) == found.rows == rows
    assert sorted(dot.tile for dot in found.dots) == list(range(rows))
    assert all(0 < dot.x < 640 and 0 < dot.y < 420 for dot in found.dots)
    assert found.atlas is not None
    atlas = Image.open(io.BytesIO(base64.b64decode(found.atlas.partition(",")[2])))
    images = {
        row["source"]["uri"]: row["image"]["bytes"]
        for row in open_dataset(dataset).table().to_pylist()
        if not row["copy"]
    }
    for dot in found.dots[:5]:
        x, y = dot.tile % found.across * TILE, dot.tile // found.across * TILE
        tile = np.asarray(atlas.crop((x, y, x + TILE, y + TILE)), dtype=float)
        own = np.asarray(Image.open(io.BytesIO(images[dot.name])).resize((TILE, TILE)), dtype=float)
        assert np.abs(tile - own).mean() < 12, dot.name


def test_rows_that_a_feature_is_not_for_are_no_dots(tmp_path: Path) -> None:
    text = MANY.replace("      - hu_moments: {}\n", "      - hu_moments: {}\n        where: {split: train}\n")
    text = text.replace("{path: images}", f"{{path: {ROOT / 'data' / 'sample' / 'quickstart'}}}")
    splits = "    steps:\n      - split: {train: 0.5, validation: 0.5}\n"
    (tmp_path / "pipelines.yaml").write_text(text.replace("    steps:\n", splits))
    serial(tmp_path / "pipelines.yaml", "many", tmp_path / "out")
    found = feature_map(Statistics.of(tmp_path / "out"))
    trained = open_dataset(tmp_path / "out").table(split="train").num_rows
    assert found is not None and len(found.dots) == trained < found.rows


def test_a_dataset_without_features_has_no_map(tmp_path: Path) -> None:
    serial(ROOT / "pipelines.yaml", "faces", tmp_path / "out", limit=4)
    assert feature_map(Statistics.of(tmp_path / "out")) is None


def test_it_is_a_sample_of_every_split_and_rare_classes_share_a_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.report.feature_map.POINTS", 80)
    builder = Builder(tmp_path / "one", MANY, classes=tuple("abcdefghij"))
    splits = ("train", "train", "train", "test")
    kept = [Kept(f"{i:05d}.jpg", "abcdefghij"[i % 10], splits[i % 4]) for i in range(120)]
    builder.version(kept)
    found = feature_map(Statistics.of(builder.root))
    assert found is not None and len(found.dots) == 80 and found.rows == 120
    assert sum(dot.split == "test" for dot in found.dots) == 20
    assert len(found.groups) == 6 and found.groups[-1] == OTHERS
    assert found.atlas is None, "no output holds pictures"
