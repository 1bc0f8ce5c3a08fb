"""Exports, read back by the libraries that own the formats: every row once, the images' own bytes, what is said."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import datasets
import numpy as np
import pytest
import webdataset
from PIL import Image
from pycocotools.coco import COCO
from ruamel.yaml import YAML

from tasks.errors import ImagemillError, RequestError
from tasks.store.dataset import open_dataset
from tasks.store.export import FORMATS, export
from tests.tasks.formats.made import NAMES, RECT, SMALL, annotated, labelled, masked, rows


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled(tmp_path_factory.mktemp("classes"))


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return annotated(tmp_path_factory.mktemp("objects"), "segmentation", "keypoints", "rbox")


def written(dataset: Path, to: str, folder: Path, **options: Any) -> Path:
    export(open_dataset(dataset), to, folder / to, **options)
    return folder / to


def name(id: str) -> str:
    return id.replace(".", "-").replace(":", "-")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_webdataset_reads_every_row_once_with_its_bytes_label_and_vector(classes: Path, tmp_path: Path) -> None:
    folder = written(classes, "webdataset", tmp_path)
    expected = rows(classes)
    seen = {}
    for shard in sorted(folder.iterdir()):
        with warnings.catch_warnings(action="ignore"):  # it leaves its files to the garbage collector
            samples = list(webdataset.WebDataset(str(shard), shardshuffle=False).decode())
        seen |= {sample["json"]["id"]: (shard.name, sample) for sample in samples}
    assert seen.keys() == expected.keys() and len(expected) == 16
    for id, (shard, sample) in seen.items():
        row = expected[id]
        assert sample["__key__"] == name(id) and shard.startswith(row["split"])
        assert sample["jpg"] == row["image"]["bytes"]
        assert sample["cls"] == row["label"] and sample["json"]["label"] == ["a dog", "cat"][row["label"]]
        assert np.array_equal(sample["hog.npy"], np.array(row["hog"], np.float32))
        assert sample["json"]["source"] == row["source"]


def test_the_image_folder_opens_with_its_labels_and_vectors(classes: Path, tmp_path: Path) -> None:
    folder = written(classes, "imagefolder", tmp_path)
    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / "cache"))
    expected = rows(classes)
    count = 0
    for split, table in loaded.items():
        for row in table.cast_column("image", datasets.Image(decode=False)):
            own = expected[row["id"]]
            count += 1
            assert (split, row["label"]) == (own["split"], ["a dog", "cat"][own["label"]])
            assert np.array_equal(np.array(row["hog"], np.float32), np.array(own["hog"], np.float32))
            assert row["image"]["path"].endswith(f"{split}/{row['label']}/{name(row['id'])}.jpg")
            assert Path(row["image"]["path"]).read_bytes() == own["image"]["bytes"]
    assert count == len(expected)


def test_the_image_folder_opens_with_its_masks(tmp_path: Path) -> None:
    dataset = masked(tmp_path)
    folder = written(dataset, "imagefolder", tmp_path)
    table = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / "cache"))["train"]
    assert len(table) == 2
    for row in table:
        own = rows(dataset)[row["id"]]["mask"]
        assert (row["mask"] is None) == (own is None)
        if own:
            assert np.array_equal(np.asarray(row["mask"]), np.asarray(Image.open(io.BytesIO(own["bytes"]))))


def test_pycocotools_reads_boxes_outlines_and_key_points(objects: Path, tmp_path: Path) -> None:
    folder = written(objects, "coco", tmp_path)
    coco = COCO(folder / "annotations" / "instances_train.json")
    expected = rows(objects)
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == ["face", "a <b> & c"]
    assert coco.loadCats([1])[0]["keypoints"] == NAMES
    images = coco.loadImgs(coco.getImgIds())
    assert {image["imagemill_id"] for image in images} == expected.keys()
    for image in images:
        row = expected[image["imagemill_id"]]
        assert (folder / "train" / image["file_name"]).read_bytes() == row["image"]["bytes"]
        found = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        assert len(found) == len(row["objects"])
        for one, own in zip(found, row["objects"], strict=True):
            assert np.allclose(one["bbox"], own["bbox"]) and one["category_id"] == own["category"] + 1
            assert np.array(one["keypoints"]).reshape(-1, 3).tolist() == np.array(own["keypoints"]).tolist()
            if own["segmentation"]:
                with warnings.catch_warnings(action="ignore"):  # its own, about NumPy 2
                    assert coco.annToMask(one).sum() == pytest.approx(own["area"], abs=30)


def test_voc_counts_pixels_from_one_and_keeps_hostile_names(objects: Path, tmp_path: Path) -> None:
    folder = written(objects, "voc", tmp_path)
    expected = rows(objects)
    listed = (folder / "ImageSets/Main/train.txt").read_text().split()
    assert listed == [name(id) for id in expected]
    for id, row in expected.items():
        tree = ElementTree.parse(folder / "Annotations" / f"{name(id)}.xml")
        assert (folder / "JPEGImages" / tree.findtext("filename", "")).read_bytes() == row["image"]["bytes"]
        assert [tree.findtext(f"size/{side}") for side in ("width", "height", "depth")] == ["60", "40", "3"]
        found = tree.findall("object")
        assert len(found) == len(row["objects"])
        for one, own in zip(found, row["objects"], strict=True):
            ends = ("xmin", "ymin", "xmax", "ymax")
            left, top, right, bottom = (float(one.findtext(f"bndbox/{end}", "")) for end in ends)
            assert np.allclose([left - 1, top - 1, right - left + 1, bottom - top + 1], own["bbox"], atol=1e-5)
            assert one.findtext("name") == ["face", "a <b> & c"][own["category"]]


@pytest.mark.parametrize("parts", [(), ("keypoints",), ("segmentation",), ("rbox",)], ids=lambda parts: "".join(parts))
def test_yolo_lines_are_fractions_of_the_image(parts: tuple[str, ...], tmp_path: Path) -> None:
    dataset = annotated(tmp_path, *parts)
    folder = written(dataset, "yolo", tmp_path)
    told = YAML(typ="safe").load(folder / "data.yaml")
    assert told["names"] == {0: "face", 1: "a <b> & c"} and told["train"] == "images/train"
    for id, row in rows(dataset).items():
        assert (folder / "images/train" / f"{name(id)}.jpg").read_bytes() == row["image"]["bytes"]
        lines = (folder / "labels/train" / f"{name(id)}.txt").read_text().splitlines()
        assert len(lines) == len(row["objects"])
        for line, own in zip(lines, row["objects"], strict=True):
            number, *values = map(float, line.split())
            assert number == own["category"]
            x, y, w, h = own["bbox"]
            box = [(x + w / 2) / 60, (y + h / 2) / 40, w / 60, h / 40]
            if parts == ("rbox",):
                assert len(values) == 8 and np.mean(values[::2]) == pytest.approx(own["rbox"][0] / 60, abs=1e-5)
            elif parts == ("segmentation",):
                expected = [*RECT, 20, 10, *SMALL, 80, 60] if number == 0 else [70, 50, 90, 50, 90, 70, 70, 70]
                assert np.allclose(np.reshape(values, (-1, 2)), np.reshape(expected, (-1, 2)) / [120, 80], atol=1e-5)
            else:
                assert np.allclose(values[:4], box, atol=1e-5)
                assert len(values) == 4 + (9 if parts else 0)
    if parts == ("keypoints",):
        assert told["kpt_shape"] == [3, 3] and told["flip_idx"] == [0, 2, 1]


@pytest.mark.parametrize("part", ["classes", "objects"])
def test_lance_holds_every_row_with_all_its_columns(
    part: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lance = pytest.importorskip("lance")
    monkeypatch.setattr("tasks.formats.lance.ROWS", 5)  # several fragments
    dataset = request.getfixturevalue(part)
    folder = written(dataset, "lance", tmp_path)
    expected = rows(dataset)
    seen = {}
    for path in folder.iterdir():
        table = lance.dataset(str(path)).to_table()
        seen |= {row["id"]: row for row in table.to_pylist()}
        assert {row["split"] for row in table.to_pylist()} == {path.stem}
    assert seen.keys() == expected.keys()
    for id, row in seen.items():
        assert row["image"] == expected[id]["image"] and row["source"] == expected[id]["source"]


@pytest.mark.parametrize("to", [name for name in FORMATS if name != "lance"])  # which names its files at random
def test_the_same_dataset_gives_the_same_bytes(to: str, objects: Path, tmp_path: Path) -> None:
    first, second = (contents(written(objects, to, tmp_path / part)) for part in "ab")
    assert first == second and first


def test_one_split_and_one_output_are_enough(classes: Path, tmp_path: Path) -> None:
    done = export(open_dataset(classes), "webdataset", tmp_path / "out", output="images", split="test")
    assert done["rows"] == {"test": sum(row["split"] == "test" for row in rows(classes).values())}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["test-000000.tar"]


def test_what_a_format_cannot_hold_is_refused_before_anything_is_written(classes: Path, tmp_path: Path) -> None:
    for to in ("coco", "voc", "yolo"):
        with pytest.raises(RequestError, match=f"{to} describes objects"):
            written(classes, to, tmp_path)
    with pytest.raises(RequestError, match="no rows in a split 'nope'; there are test, train"):
        written(classes, "webdataset", tmp_path, split="nope")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_not_written_to(classes: Path, tmp_path: Path) -> None:
    (tmp_path / "webdataset").mkdir()
    (tmp_path / "webdataset" / "mine.txt").write_text("mine")
    with pytest.raises(RequestError, match="is not empty"):
        written(classes, "webdataset", tmp_path)
    assert contents(tmp_path) == {"webdataset/mine.txt": b"mine"}


def test_an_export_that_fails_leaves_nothing(classes: Path, tmp_path: Path) -> None:
    path = open_dataset(classes).files()[0]
    held = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(held[:-1000])
    try:
        with pytest.raises(ImagemillError, match="damaged"):
            written(classes, "imagefolder", tmp_path)
    finally:
        path.write_bytes(held)
    assert not list(tmp_path.iterdir())


def test_a_class_whose_name_is_no_folder_stays_inside(tmp_path: Path) -> None:
    from tasks.formats.writer import folder_of

    assert [folder_of(label) for label in ("a dog", "../x", "..", "", "é", "a/b")] == [
        *("a dog", "%2E%2E%2Fx", "%2E%2E", "%", "é", "a%2Fb"),
    ]
    with pytest.raises(ImagemillError, match="too long"):
        folder_of("x" * 300)


def test_metadata_is_json_a_line(objects: Path, tmp_path: Path) -> None:
    lines = (written(objects, "imagefolder", tmp_path) / "train/metadata.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [line["id"] for line in found] == list(rows(objects))
    assert found[0]["objects"]["category"] == ["face", "a <b> & c"]
