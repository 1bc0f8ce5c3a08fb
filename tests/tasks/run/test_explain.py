"""Explain: what a run would read, make again and reuse, and why; what it says is what the run then does."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tasks.pipeline.graph import build
from tasks.pipeline.spec import read
from tasks.run.explain import explained, foreseen, told
from tasks.run.run import Run
from tasks.store.local import Store
from tests.tasks.run.serial import serial
from tests.tasks.run.test_run import SAMPLE, Collection


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    collection = Collection(tmp_path)
    collection.run("a")
    return collection


def explain(file: Path, name: str, output: Path, **options: Any) -> dict[str, Any]:
    graph = build(read(file).pipeline(name))
    with foreseen(lambda spill: Run.start(graph, graph.spec.source, Store(output), spill=spill, **options)) as run:
        return explained(run)


def of(collection: Collection, **options: Any) -> dict[str, Any]:
    found = explain(collection.folder / "pipelines.yaml", "small", collection.folder / "a", **options)
    json.dumps(found)
    return found


def artifacts(found: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    return {one["name"]: (one["state"], one["why"]) for one in found["artifacts"]}


def read_for(found: dict[str, Any]) -> dict[str, list[str]]:
    return {one["why"].split(":")[0]: one["examples"] for one in found["read"]}


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_nothing_to_do_is_said_and_nothing_is_written(collection: Collection) -> None:
    before = names(collection.folder / "a")
    found = of(collection)
    assert (found["unchanged"], found["to_read"], found["read"]) == (True, 0, [])
    assert artifacts(found) == dict.fromkeys(("measures", "images", "features"), ("reused", []))
    assert told(found) == ["nothing to do: unchanged since version 1"]
    assert names(collection.folder / "a") == before


def test_a_dataset_that_is_not_there_yet_is_new(collection: Collection) -> None:
    found = explain(collection.folder / "pipelines.yaml", "small", collection.folder / "b")
    assert found["to_read"] == found["sources"] == 52
    assert {state for state, _ in artifacts(found).values()} == {"new"}
    assert not (collection.folder / "b").exists()


def test_new_changed_and_deleted_files_are_named(collection: Collection) -> None:
    photos = collection.source / "photos"
    shutil.copy(photos / "coffee.jpg", photos / "more.jpg")
    os.utime(photos / "coffee.jpg")
    (photos / "broken_empty.jpg").unlink()
    found = of(collection)
    assert read_for(found) == {"new": ["photos/more.jpg"], "with another size or time": ["photos/coffee.jpg"]}
    assert (found["to_read"], found["gone"]["sources"]) == (2, 1)
    assert {one["output"]: (one["written"], one["files"]) for one in found["files"]}["images"][0] > 0
    ran = collection.run("a")
    assert ran.made == found["to_read"]


def test_a_changed_parameter_is_named_with_old_and_new_and_leaves_the_rest(collection: Collection) -> None:
    collection.write(degrees="[-20, 20]")
    found = of(collection)
    assert artifacts(found) == {
        "measures": ("reused", []),
        "images": ("made again", ["augmented: rotate.degrees [-10.0, 10.0] -> [-20.0, 20.0]"]),
        "features": ("reused", []),
    }
    (images,) = [one for one in found["files"] if one["output"] == "images"]
    assert images["written"] == images["files"] > 0
    assert collection.run("a").made == found["to_read"] > 0


def test_a_changed_threshold_is_a_matter_of_judging(collection: Collection) -> None:
    collection.write(blurry=0.5)
    found = of(collection)
    assert found["decisions"] == [{"step": "screen", "why": ["blurry.below 0.62 -> 0.5"]}]
    assert {state for state, _ in artifacts(found).values()} == {"reused"}
    assert [one["why"] for one in found["read"]] == ["let in by what is decided anew, or tried again"]
    assert "screen: judged again on the measures" in told(found)


def test_another_shard_size_is_told_from_another_content(collection: Collection) -> None:
    collection.write(shard="100KB")
    found = of(collection)
    files = {one["output"]: one for one in found["files"]}
    assert files["images"]["why"] == ["shard 256MB -> 100KB: rows are copied"]
    assert files["features"]["why"] == []
    assert (found["to_read"], found["unchanged"]) == (0, False)


def test_fresh_and_reading_all_say_so(collection: Collection) -> None:
    assert read_for(of(collection, fresh=True)).keys() == {"because --fresh makes everything again"}
    assert read_for(of(collection, read_all=True)).keys() == {"because --check content reads all"}


def test_another_version_of_a_library_is_named(collection: Collection) -> None:
    path = collection.folder / "a" / ".imagemill" / "versions" / "00000001.json"
    version = json.loads(path.read_text())
    version["fingerprints"]["images"] = "0" * 64
    version["platform"]["libraries"]["opencv-python-headless"] = "4.0"
    path.chmod(0o644)
    path.write_text(json.dumps(version))
    _, why = artifacts(of(collection))["images"]
    assert [text.partition(" -> ")[0] for text in why] == ["opencv-python-headless 4.0"]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("seed: 1", "seed: 2", "seed 1 -> 2"),
        ("encode: {quality: 90}", "encode: {quality: 80}", "outputs: images: encode.quality 90 -> 80"),
        ("train: 0.5, test: 0.5", "train: 0.6, test: 0.4", "split: shares"),
        ("gaussian_blur: {sigma: 1}", "gaussian_blur: {sigma: 2}", "gaussian_blur: sigma 1.0 -> 2.0"),
        ("gaussian_blur: {sigma: 1}", "median_blur: {size: 3}", "median_blur: is new"),
    ],
)
def test_every_kind_of_change_is_named(tmp_path: Path, before: str, after: str, reason: str) -> None:
    shutil.copytree(SAMPLE / "space", tmp_path / "s")
    text = f"""
version: 1
pipelines:
  p:
    source: {{path: {tmp_path}/s}}
    seed: 1
    steps:
      - split: {{train: 0.5, test: 0.5}}
      - resize: {{size: 32}}
      - gaussian_blur: {{sigma: 1}}
      - augment: {{transforms: [hflip]}}
    outputs:
      images: {{from: augment, encode: {{quality: 90}}}}
"""
    file = tmp_path / "pipelines.yaml"
    file.write_text(text)
    serial(file, "p", tmp_path / "a", limit=3)
    assert before in text
    file.write_text(text.replace(before, after))
    (state, why) = artifacts(explain(file, "p", tmp_path / "a", limit=3))["images"]
    assert state == "made again"
    assert any(reason in one for one in why), why


def test_what_a_run_is_writing_beside_is_left_alone(collection: Collection) -> None:
    staging = collection.folder / "a" / ".imagemill" / "staging"
    staging.mkdir(exist_ok=True)
    (staging / ".being-written.tmp").write_bytes(b"half")
    of(collection)
    assert (staging / ".being-written.tmp").exists()
