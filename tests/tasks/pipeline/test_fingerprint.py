"""Fingerprints: what decides bytes enters, what is execution does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.pipeline.graph import build
from tasks.pipeline.spec import read
from tasks.run.job import staged
from tasks.store.schema import Contents

PIPELINE = """
version: 1
pipelines:
  p:
    description: words
    seed: 1
    source: {path: images}
    steps:
      - screen: {dark: {below: 0.3}}
      - deduplicate: {method: exact}
      - resize: {size: 64}
        id: square
      - augment: {copies: 2, transforms: [{rotate: {degrees: [-10, 10]}}]}
        id: augmented
      - hog: {cell: [16, 16]}
        needs: square
    outputs:
      images: {from: augmented, shard: 100MB}
      features: {from: hog}
    cluster: {workers: 2}
"""


def fingerprints(tmp_path: Path, old: str = "", new: str = "", contents: Contents | None = None) -> dict[str, str]:
    file = tmp_path / "pipelines.yaml"
    assert old in PIPELINE
    file.write_text(PIPELINE.replace(old, new) if old else PIPELINE)
    return staged(build(read(file).pipeline("p")), contents or Contents()).fingerprints


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("description: words", "description: other words", set()),
        ("workers: 2", "workers: 7", set()),
        ("shard: 100MB", "shard: 1MB", set()),
        ("below: 0.3", "below: 0.5", set()),
        ("method: exact", "method: exact, keep: first", set()),
        ("seed: 1", "seed: 2", {"images"}),
        ("[-10, 10]", "[-20, 20]", {"images"}),
        ("copies: 2", "copies: 3", {"images"}),
        ("cell: [16, 16]", "cell: [8, 8]", {"features"}),
        ("size: 64", "size: 32", {"images", "features"}),
        ("dark: {below: 0.3}", "dark: {below: 0.3}, light: {below: 0.05}", {"measures", "images", "features"}),
        ("path: images", "path: images, frames: all", {"measures", "images", "features"}),
        ("shard: 100MB", "encode: {quality: 90}", {"images"}),
    ],
)
def test_what_a_change_makes_stale(tmp_path: Path, old: str, new: str, changed: set[str]) -> None:
    before, after = fingerprints(tmp_path), fingerprints(tmp_path, old, new)
    assert {name for name in before if before[name] != after[name]} == changed


def test_a_new_class_renumbers_labels_and_so_makes_rows_stale(tmp_path: Path) -> None:
    before = fingerprints(tmp_path, contents=Contents(classes=("cat", "dog")))
    after = fingerprints(tmp_path, contents=Contents(classes=("bird", "cat", "dog")))
    assert {name for name in before if before[name] != after[name]} == {"images", "features"}


def test_a_threshold_behind_copies_decides_which_rows_there_are(tmp_path: Path) -> None:
    tiles = "- tile: {size: [32, 32]}\n      - screen: {dark: {below: 0.3}}\n        id: lit"
    before = fingerprints(
        tmp_path,
        "- resize: {size: 64}\n        id: square",
        f"{tiles}\n      - resize: {{size: 64}}\n        id: square",
    )
    stricter = tiles.replace("0.3", "0.4")
    after = fingerprints(
        tmp_path,
        "- resize: {size: 64}\n        id: square",
        f"{stricter}\n      - resize: {{size: 64}}\n        id: square",
    )
    assert {name for name in before if before[name] != after[name]} == {"images", "features"}
