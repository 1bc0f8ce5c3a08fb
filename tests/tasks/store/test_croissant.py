"""croissant.json is tested with mlcroissant, which reads the rows through it."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tasks.store.croissant import About, croissant
from tasks.store.local import Store, sha256_of
from tests.tasks.store.builder import FEATURES, TENSORS, Builder, Kept, Lost, usual

REQUIRED = ("@context", "@type", "conformsTo", "name", "description", "license", "url", "creator", "datePublished")


def opened(builder: Builder, version: dict[str, Any]) -> Any:
    """What mlcroissant makes of it; its errors raise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        import mlcroissant

        Store(builder.root).write_beside("croissant.json", json.dumps(croissant(version, builder.schemas)))
        return mlcroissant.Dataset(builder.root / "croissant.json")


def records(dataset: Any, name: str) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(dataset.records(name))


def test_mlcroissant_reads_every_row_and_its_image(tmp_path: Path) -> None:
    builder, version = usual(tmp_path / "one")
    dataset = opened(builder, version)
    rows = records(dataset, "images")
    assert len(rows) == 93
    assert rows[0]["images/image"].size == (64, 48)
    assert rows[0]["images/source"]["images/source/uri"].endswith(b".jpg")
    assert rows[0]["images/lineage"][0]["images/lineage/step"] == b"resize"
    assert len(records(dataset, "features")[0]["features/descriptors"]) == 216
    assert records(dataset, "classes")[1] == {"classes/number": 1, "classes/name": "dog"}


def test_mlcroissant_finds_nothing_wrong(tmp_path: Path) -> None:
    builder, version = usual(tmp_path / "one")
    issues = opened(builder, version).metadata.ctx.issues
    assert not issues.errors
    assert all("citeAs" in warning for warning in issues.warnings)  # nobody knows how the images are to be cited


def test_all_that_croissant_requires_is_there(tmp_path: Path) -> None:
    """mlcroissant is silent on a missing creator or url."""
    builder, version = usual(tmp_path / "one")
    made = croissant(version, builder.schemas)
    assert all(made.get(name) for name in REQUIRED)
    assert made["datePublished"] == "2026-11-24"
    assert made["url"].endswith(".invalid/")


def test_the_owner_may_say_license_creator_and_url(tmp_path: Path) -> None:
    builder, version = usual(tmp_path / "one")
    about = About("https://spdx.org/licenses/CC-BY-4.0.html", "Ada", "https://example.org/cats")
    made = croissant(version, builder.schemas, about)
    assert (made["license"], made["creator"]["name"], made["url"]) == about


def test_every_file_stands_with_its_checksum_and_size(tmp_path: Path) -> None:
    builder, version = usual(tmp_path / "one")
    found = [one for one in croissant(version, builder.schemas)["distribution"] if one["@type"] == "cr:FileObject"]
    assert len(found) == len(version["files"])
    for one in found:
        path = builder.root / one["contentUrl"]
        assert one["sha256"] == sha256_of(path)
        assert one["contentSize"] == f"{path.stat().st_size} B"


def test_boxes_are_read_one_by_one(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "one", categories=("face", "hand"))
    version = builder.version([Kept("a.jpg", split="test", boxes=[((1, 2, 3, 4), "hand"), ((5, 6, 7, 8), "face")])])
    objects = records(opened(builder, version), "images")[0]["images/objects"]
    assert [one["images/objects/category"] for one in objects] == [1, 0]
    assert [list(one["images/objects/bbox"]) for one in objects] == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_a_tensor_has_its_shape(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "one", TENSORS)
    version = builder.version([Kept("a.jpg")])
    fields = {one["name"]: one for one in croissant(version, builder.schemas)["recordSet"][-1]["field"]}
    assert fields["pixels"]["arrayShape"] == "24,32,1"
    assert len(records(opened(builder, version), "images")[0]["images/pixels"]) == 24 * 32


@pytest.mark.parametrize("pipeline", [TENSORS, FEATURES])
def test_an_empty_dataset_is_valid(tmp_path: Path, pipeline: str) -> None:
    builder = Builder(tmp_path / "one", pipeline)
    assert records(opened(builder, builder.version([], [Lost("a.jpg")])), "images") == []


def test_any_class_or_column_name_is_valid(tmp_path: Path) -> None:
    columns = pa.schema([("a b/<c>\"d'é", pa.string()), ("when", pa.timestamp("us", "UTC")), ("ok", pa.bool_())])
    names = ('say "hi"', "two\nlines", "日本", "<script>")
    builder = Builder(tmp_path / "one", classes=names, columns=columns)
    dataset = opened(builder, builder.version([Kept("a.jpg", "日本", split="test")]))
    assert not dataset.metadata.ctx.issues.errors
    assert [row["classes/name"] for row in records(dataset, "classes")] == list(names)
    assert len(records(dataset, "images")) == 1
