"""Datasets with all kinds of targets: made, read back, made again, and nothing in those without."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import cv2
import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from skimage import data

from tasks.errors import RequestError
from tasks.run.verify import verify
from tasks.store.croissant import croissant
from tests.tasks.run.serial import Ran, files, serial

RECT = [20.0, 10, 60, 10, 60, 50, 20, 50]
NAMES = ["nose", "left_eye", "right_eye"]
POINTS = [40, 20, 2, 30, 25, 2, 50, 25, 1]
STEPS = """
      - resize: {size: [60, 40]}
      - augment:
          copies: 2
          transforms:
            - hflip: {p: 1}
            - rotate: {degrees: [-20, 20]}
            - elastic: {}
"""


def photographs(folder: Path, count: int = 6) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    whole = data.astronaut()
    for i in range(count):
        cv2.imwrite(str(folder / f"{i}.png"), whole[i * 60 : i * 60 + 80, 100:220])


def annotated(folder: Path, **more: Any) -> None:
    photographs(folder)
    mask = np.zeros((80, 120), np.uint8)
    mask[5:25, 80:110] = 1
    columns = mask.T.ravel()
    changes = np.flatnonzero(np.diff(columns)) + 1
    runs = np.diff([0, *changes.tolist(), columns.size]).tolist()
    objects = [
        {"category_id": 1, "bbox": [20, 10, 40, 40], "segmentation": [RECT], "keypoints": POINTS},
        {"category_id": 2, "bbox": [80, 5, 30, 20], "segmentation": {"size": [80, 120], "counts": runs}},
        {"category_id": 2, "bbox": [70, 50, 20, 20], "rbox": [80, 60, 20, 10, 30]},
    ]
    value = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(6)],
        "annotations": [{"id": 10 * i + j, "image_id": i, **one} for i in range(6) for j, one in enumerate(objects)],
        "categories": [{"id": 1, "name": "face", "keypoints": NAMES, **more}, {"id": 2, "name": "window"}],
    }
    (folder / "annotations.json").write_text(json.dumps(value))


def ran(tmp_path: Path, source: str, steps: str = STEPS, outputs: str = "", name: str = "out") -> Ran:
    file = tmp_path / f"{name}.yaml"
    last = "augment" if "augment" in steps else "resize"
    file.write_text(
        f"version: 1\npipelines:\n  p:\n    source: {source}\n    steps:{steps}"
        f"    outputs:\n      images: {{from: {last}, encode: {{format: png}}{outputs}}}\n"
    )
    return serial(file, "p", tmp_path / name)


COCO = "{path: coco, format: coco}"


def rows(dataset: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(dataset / "data").to_pylist())


def test_every_kind_of_target_is_stored_with_its_object(tmp_path: Path) -> None:
    annotated(tmp_path / "coco")
    ran(tmp_path, COCO)
    found = rows(tmp_path / "out")
    assert len(found) == 18
    for original in (row for row in found if row["copy"] == 0):
        face, window, slanted = original["objects"]
        assert face["bbox"] == [10, 5, 20, 20] and face["area"] == 400
        assert face["segmentation"] == [[10, 5, 30, 5, 30, 25, 10, 25]]
        assert np.allclose(face["keypoints"], [[19.75, 9.75, 2], [14.75, 12.25, 2], [24.75, 12.25, 1]])
        assert window["bbox"] == [40, 2.5, 15, 10] and window["area"] == 150
        assert window["keypoints"] == [[0, 0, 0]] * 3
        assert np.allclose(face["rbox"], [20, 15, 20, 20, 0])
        assert slanted["segmentation"] == [] and np.allclose(slanted["rbox"], [40, 30, 10, 5, 30])
    mirrored = [row["objects"][0]["keypoints"] for row in found if row["copy"]]
    seen = [(left[0], right[0]) for _, left, right in mirrored if left[2] and right[2]]
    assert len(seen) > 6 and all(left < right for left, right in seen)  # as in the original: the mirror exchanged them


def test_the_fields_metadata_names_the_key_points(tmp_path: Path) -> None:
    annotated(tmp_path / "coco")
    ran(tmp_path, COCO)
    path = next((tmp_path / "out/data").glob("*.parquet"))
    field = pq.read_schema(path).field("objects").type.value_type.field("keypoints")
    assert json.loads(field.metadata[b"names"]) == NAMES and json.loads(field.metadata[b"pairs"]) == [[1, 2]]


def test_it_is_made_again_to_the_same_bytes_and_an_unchanged_run_makes_nothing(tmp_path: Path) -> None:
    annotated(tmp_path / "coco")
    ran(tmp_path, COCO)
    found = verify(tmp_path / "out", None)
    assert found["problems"] == [] and found["replayed"] == 18
    before = files(tmp_path / "out")
    again = ran(tmp_path, COCO)
    assert again.made == 0 and not again.committed and files(tmp_path / "out") == before


def test_what_changed_is_made_again_to_the_bytes_of_a_fresh_run(tmp_path: Path) -> None:
    annotated(tmp_path / "coco")
    ran(tmp_path, COCO)
    value = json.loads((tmp_path / "coco/annotations.json").read_text())
    for one in value["annotations"]:
        if one["image_id"] == 2 and "segmentation" in one and isinstance(one["segmentation"], list):
            one["segmentation"] = [[20, 10, 60, 10, 40, 50]]
        if one["image_id"] == 4 and "keypoints" in one:
            one["keypoints"] = [41, *POINTS[1:]]
    (tmp_path / "coco/annotations.json").write_text(json.dumps(value))
    assert ran(tmp_path, COCO).made == 2
    ran(tmp_path, COCO, name="fresh")
    assert files(tmp_path / "out") == files(tmp_path / "fresh")
    assert verify(tmp_path / "out", None)["problems"] == []


WRONG = [
    {"segmentation": [[1, 2, 3]]},
    {"segmentation": {"size": [80, 120], "counts": [9599]}},
    {"segmentation": {"size": [120, 80], "counts": [9600]}},
    {"segmentation": {"size": [80, 120], "counts": "no such text"}},
    {"keypoints": POINTS[:6]},
]


def test_images_with_broken_annotations_are_rejected_and_told_why(tmp_path: Path) -> None:
    annotated(tmp_path / "coco")
    value = json.loads((tmp_path / "coco/annotations.json").read_text())
    for i, wrong in enumerate(WRONG):
        value["annotations"][3 * i].update(wrong)
    (tmp_path / "coco/annotations.json").write_text(json.dumps(value))
    made = ran(tmp_path, COCO)
    assert made.version["counts"]["reasons"] == {"bad_annotations": 5}
    assert {row["source"]["uri"] for row in rows(tmp_path / "out")} == {"5.png"}
    said = {row["uri"]: row["message"] for row in pq.read_table(tmp_path / "out/rejected").to_pylist()}
    for uri, words in {
        "0.png": "annotation 0: segmentation [[1, 2, 3]] is no list of polygons",
        "1.png": "the run lengths do not add up to 120 x 80 pixels",
        "2.png": "a segmentation is of 80 x 120 pixels, the image has 120 x 80",
        "3.png": "is no part of run lengths",
        "4.png": "2 key points, where there are 3 names",
    }.items():
        assert words in said[uri]


def test_datasets_and_pyarrow_read_them_alike(tmp_path: Path) -> None:
    annotated(tmp_path / "coco")
    ran(tmp_path, COCO)
    found = {row["id"]: row for row in rows(tmp_path / "out")}
    loaded = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "out/data/*.parquet"), cache_dir=str(tmp_path / "cache"), split="train"
    )
    assert len(loaded) == len(found)
    for row in loaded:
        assert row["objects"] == found[row["id"]]["objects"]


def test_a_mirror_without_pairs_loses_its_copies_alone(tmp_path: Path) -> None:
    annotated(tmp_path / "coco", keypoints=["a", "b", "c"])
    ran(tmp_path, COCO)
    assert [row["copy"] for row in rows(tmp_path / "out")] == [0] * 6
    assert verify(tmp_path / "out", None)["problems"] == []
    annotated(tmp_path / "coco", keypoints=["a", "b", "c"], pairs=[])
    made = ran(tmp_path, COCO)
    assert len(rows(tmp_path / "out")) == 18 and made.committed


def test_objects_that_leave_are_named_with_all_that_leaves_with_them(tmp_path: Path) -> None:
    annotated(tmp_path / "coco")
    ran(tmp_path, COCO, steps="\n      - crop: {box: [0, 0, 70, 60]}\n        id: resize\n")
    for row in rows(tmp_path / "out"):
        assert [one["category"] for one in row["objects"]] == [0]
        dropped = [json.loads(one["params"]) for one in row["lineage"] if one["step"] == "objects"]
        assert [(one["box"], one["with"]) for one in dropped] == [(1, ["segmentation", "rbox"]), (2, ["rbox"])]


def test_boxes_alone_have_no_further_columns(tmp_path: Path) -> None:
    annotated(tmp_path / "coco")
    value = json.loads((tmp_path / "coco/annotations.json").read_text())
    for one in value["annotations"]:
        for name in ("segmentation", "keypoints", "rbox"):
            one.pop(name, None)
    (tmp_path / "coco/annotations.json").write_text(json.dumps(value))
    ran(tmp_path, COCO)
    schema = pq.read_schema(next((tmp_path / "out/data").glob("*.parquet")))
    assert "mask" not in schema.names
    assert [field.name for field in schema.field("objects").type.value_type] == ["bbox", "category"]


def test_categories_are_those_that_are_left(tmp_path: Path) -> None:
    annotated(tmp_path / "coco")
    steps = "\n      - remap_labels: {categories: {window: opening, face: null}}" + STEPS
    made = ran(tmp_path, COCO, steps=steps)
    assert made.version["categories"] == ["opening"]
    assert {one["category"] for row in rows(tmp_path / "out") for one in row["objects"]} == {0}
    assert verify(tmp_path / "out", None)["problems"] == []


MANIFEST = "{path: list.csv, mask_column: mask}"


def masked(tmp_path: Path) -> np.ndarray:
    photographs(tmp_path)
    mask = np.zeros((80, 120), np.uint8)
    mask[10:50, 20:60], mask[50:70, 70:100] = 1, 2
    for i in range(5):
        cv2.imwrite(str(tmp_path / f"mask{i}.png"), mask)
    cv2.imwrite(str(tmp_path / "mask3.png"), mask[:-1])
    lines = [f"{i}.png,{f'mask{i}.png' if i < 5 else ''}" for i in range(6)]
    (tmp_path / "mask4.png").unlink()
    (tmp_path / "list.csv").write_text("\n".join(["uri,mask", *lines, ""]))
    return mask


def test_masks_go_with_their_images_and_bad_ones_reject_them(tmp_path: Path) -> None:
    mask = masked(tmp_path)
    made = ran(tmp_path, MANIFEST, outputs=", masks: {fill: 255}")
    assert made.version["counts"]["reasons"] == {"bad_annotations": 2}
    assert {row["message"] for row in pq.read_table(tmp_path / "out/rejected").to_pylist()} == {
        "the mask has 120 x 79 pixels, the image 120 x 80",
        "the mask cannot be read: mask4.png: there is no such file",
    }
    found = rows(tmp_path / "out")
    assert "objects" not in found[0] and len(found) == 12
    for row in found:
        if row["source"]["uri"] == "5.png":
            assert row["mask"] is None
            continue
        stored = np.asarray(Image.open(io.BytesIO(row["mask"]["bytes"])))
        assert stored.shape == (row["height"], row["width"]) and row["mask"]["path"] == f"{row['id']}.mask.png"
        if row["copy"] == 0:
            assert np.array_equal(stored, cv2.resize(mask, (60, 40), interpolation=cv2.INTER_NEAREST_EXACT))
        else:
            assert set(np.unique(stored)) == {0, 1, 2, 255}
    assert verify(tmp_path / "out", None)["problems"] == []
    loaded = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "out/data/*.parquet"), cache_dir=str(tmp_path / "cache"), split="train"
    )
    assert sum(row["mask"] is not None and row["mask"].size == (60, 40) for row in loaded) == 9


def test_a_mask_that_changed_makes_its_rows_again(tmp_path: Path) -> None:
    mask = masked(tmp_path)
    ran(tmp_path, MANIFEST)
    assert ran(tmp_path, MANIFEST).made == 0
    cv2.imwrite(str(tmp_path / "mask0.png"), mask[::-1])
    again = ran(tmp_path, MANIFEST)
    assert again.made == 1 and again.committed


def test_the_fill_is_in_the_fingerprint_of_datasets_with_masks_alone(tmp_path: Path) -> None:
    masked(tmp_path)
    with_masks = ran(tmp_path, MANIFEST), ran(tmp_path, MANIFEST, outputs=", masks: {fill: 255}", name="other")
    assert with_masks[0].version["fingerprints"] != with_masks[1].version["fingerprints"]
    plain = [
        ran(tmp_path, "{path: list.csv}", outputs=more, name=f"plain{i}").version["fingerprints"]
        for i, more in enumerate(("", ", masks: {fill: 255}"))
    ]
    assert plain[0] == plain[1]


def test_objects_are_made_of_masks_under_the_names_given(tmp_path: Path) -> None:
    masked(tmp_path)
    steps = "\n      - boxes_from_masks: {classes: {2: sky, 1: face}}" + STEPS
    made = ran(tmp_path, MANIFEST, steps=steps)
    assert made.version["categories"] == ["face", "sky"]
    for row in rows(tmp_path / "out"):
        found = {one["category"]: one["bbox"] for one in row["objects"]}
        assert row["copy"] or row["source"]["uri"] == "5.png" or found == {1: [35, 25, 15, 10], 0: [10, 5, 20, 20]}
    assert verify(tmp_path / "out", None)["problems"] == []


@pytest.mark.parametrize("source", [COCO, MANIFEST])
def test_the_order_of_units_changes_no_byte(tmp_path: Path, source: str) -> None:
    annotated(tmp_path / "coco") if source == COCO else masked(tmp_path)
    ran(tmp_path, source)
    serial(tmp_path / "out.yaml", "p", tmp_path / "turned", order=lambda units: units[::-1], threads=8)
    assert files(tmp_path / "out") == files(tmp_path / "turned")


@pytest.mark.parametrize("source", [COCO, MANIFEST])
def test_mlcroissant_finds_nothing_wrong(tmp_path: Path, source: str) -> None:
    annotated(tmp_path / "coco") if source == COCO else masked(tmp_path)
    made = ran(tmp_path, source)
    schema = pq.read_schema(next((tmp_path / "out/data").glob("*.parquet")))
    (tmp_path / "out/croissant.json").write_text(json.dumps(croissant(made.version, {"images": schema})))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        import mlcroissant

        opened = mlcroissant.Dataset(tmp_path / "out/croissant.json")
        assert not opened.metadata.ctx.issues.errors
        found = list(opened.records("images"))
    assert len(found) == len(rows(tmp_path / "out"))
    if source == MANIFEST:
        assert sum(row["images/mask"] is not None for row in found) == 9


@pytest.mark.parametrize(
    ("source", "step", "where"),
    [
        ("{path: list.csv, mask_column: masks}", "split: {}", "4:43: pipelines.p.source.mask_column"),
        ("{path: list.csv, mask_column: mask}", "split: {group: patient}", "6:9: pipelines.p.steps[0]"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_its_place_in_the_file(
    tmp_path: Path, source: str, step: str, where: str
) -> None:
    masked(tmp_path)
    with pytest.raises(RequestError, match=r"there is no column '(masks|patient)'") as caught:
        ran(tmp_path, source, steps=f"\n      - {step}\n      - resize: {{size: 32}}\n")
    assert f"{tmp_path}/out.yaml:{where}" in str(caught.value)
