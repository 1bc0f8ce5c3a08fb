"""Other projects' layouts as sources: what was exported comes back, and what is wrong is said where it stands."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.errors import ImagemillError, Rejected, RequestError
from tasks.load.local import LocalFiles
from tasks.load.objects import annotated as said_of
from tasks.load.prepared import Prepared
from tasks.load.source import Source, SourceSpec, open_source
from tasks.store.dataset import open_dataset
from tasks.store.export import export
from tests.tasks.formats.made import annotated, labelled, masked, ran
from tests.tasks.formats.made import rows as stored
from tests.tasks.load.test_source import rows
from tests.tasks.load.test_tar import archive

Json = dict[str, Any]


def opened(path: Path, format: str, **options: Any) -> Source:
    return open_source(SourceSpec(path=str(path), format=format, **options))


def said(source: Source) -> dict[str, Json]:
    """What the listing says of each image, by the image's own bytes."""
    found = {}
    for uri, row in rows(source).items():
        data = source.read(uri, row["etag"])
        assert source.read(uri) == data, "without its place a member is found by its name"
        found[hashlib.sha256(data).hexdigest()] = {**row, "annotations": json.loads(row["annotations"] or "null")}
    return found


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return annotated(tmp_path_factory.mktemp("boxes"))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled(tmp_path_factory.mktemp("classes"))


PLACES = {
    "webdataset": ("webdataset", {}),
    "imagefolder": ("imagefolder", {}),
    "voc": ("voc", {}),
    "yolo": ("yolo", {}),
    "coco": ("coco/train", {"annotations": "../annotations/instances_train.json"}),
}


def source_of(dataset: Path, format: str, folder: Path) -> Source:
    """A dataset as a source: exported where another format is asked for."""
    if format == "imagemill":
        return opened(dataset, format)
    if format == "huggingface":
        return opened(dataset / "data", format)
    place, options = PLACES[format]
    export(open_dataset(dataset), format, folder / format)
    return opened(folder / place, format, **options)


@pytest.mark.parametrize("format", [*PLACES, "imagemill", "huggingface"])
def test_boxes_come_back(format: str, boxes: Path, tmp_path: Path) -> None:
    found = said(source_of(boxes, format, tmp_path))
    expected = {hashlib.sha256(row["image"]["bytes"]).hexdigest(): row for row in stored(boxes).values()}
    assert found.keys() == expected.keys() and len(found) == 3
    for sha256, row in found.items():
        own, back = expected[sha256]["objects"], row["annotations"]
        scale = [60, 40] * 2 if back.get("relative") else [1] * 4
        assert back["categories"] == [["face", "a <b> & c"][one["category"]] for one in own]
        assert np.allclose(np.reshape(back["boxes"], (-1, 4)) * scale, [one["bbox"] for one in own] or np.zeros((0, 4)))


@pytest.mark.parametrize("format", ["webdataset", "imagefolder", "imagemill", "huggingface"])
def test_labels_and_splits_come_back(format: str, classes: Path, tmp_path: Path) -> None:
    source = source_of(classes, format, tmp_path)
    found = said(source)
    expected = stored(classes)
    assert {row["manifest_id"] for row in found.values()} == expected.keys()
    for sha256, row in found.items():
        own = expected[row["manifest_id"]]
        assert hashlib.sha256(own["image"]["bytes"]).hexdigest() == sha256
        assert (row["label"], row["manifest_split"]) == (["a dog", "cat"][own["label"]], own["split"])


@pytest.mark.parametrize("format", ["webdataset", "imagefolder", "imagemill", "huggingface"])
def test_masks_come_back(format: str, tmp_path: Path) -> None:
    dataset = masked(tmp_path)
    source = source_of(dataset, format, tmp_path)
    assert source.kinds.masks
    masks = [one["annotations"]["mask"] for one in said(source).values() if (one["annotations"] or {}).get("mask")]
    held = [row["mask"]["bytes"] for row in stored(dataset).values() if row["mask"]]
    assert [source.read(mask["uri"], mask["etag"]) for mask in masks] == held


@pytest.mark.parametrize("parts", [("keypoints",), ("segmentation",)])
def test_yolo_brings_outlines_and_key_points_back_through_a_run(parts: tuple[str, ...], tmp_path: Path) -> None:
    dataset = annotated(tmp_path, *parts)
    export(open_dataset(dataset), "yolo", tmp_path / "yolo")
    again = ran(tmp_path, "{path: yolo, format: yolo}", "[{resize: {size: [60, 40]}}]", name="again")
    by_name = {row["source"]["uri"]: row["objects"] for row in stored(again).values()}
    for id, row in stored(dataset).items():
        back = by_name[f"images/train/{id}.jpg"]
        assert len(back) == len(row["objects"])
        for one, own in zip(back, row["objects"], strict=True):
            assert np.allclose(one["bbox"], own["bbox"], atol=1e-3)
            if parts == ("keypoints",):
                assert np.allclose(one["keypoints"], own["keypoints"], atol=1e-3)
            elif own["segmentation"]:
                assert one["area"] == pytest.approx(own["area"], abs=0.01)


def test_a_changed_archive_reads_again_and_makes_only_what_changed(tmp_path: Path) -> None:
    from tests.tasks.run.serial import files, serial

    photos = {f"{i}.jpg": _jpeg(i) for i in range(6)}
    shards = tmp_path / "shards"
    shards.mkdir()
    archive(shards / "a.tar", photos)
    dataset = ran(tmp_path, "{path: shards, format: webdataset}")
    before = files(dataset)
    assert serial(tmp_path / "out.yaml", "p", dataset).made == 0
    archive(shards / "a.tar", dict(reversed(photos.items())))  # all moved, none changed
    again = serial(tmp_path / "out.yaml", "p", dataset)
    assert again.made == 6 and not again.committed and files(dataset) == before
    archive(shards / "a.tar", {**photos, "3.jpg": _jpeg(9)})
    assert serial(tmp_path / "out.yaml", "p", dataset).committed
    fresh = ran(tmp_path, "{path: shards, format: webdataset}", name="fresh")
    assert files(dataset) == files(fresh) != before


def _jpeg(seed: int) -> bytes:
    made = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(noise).resize((96, 64)).save(made, "JPEG")
    return made.getvalue()


# -- webdataset --


def test_a_sample_is_what_shares_a_name_and_its_parts_become_label_and_columns(tmp_path: Path) -> None:
    archive(
        tmp_path / "a.tar",
        {
            "x/0.JPG": b"0",
            "x/0.cls": b"7",
            "x/0.txt": "é".encode(),
            "x/0.json": b'{"n": 1, "deep": {"a": [1]}, "id": "q", "half": "\\ud800"}',
            "x/1.left.png": b"1l",
            "x/1.right.png": b"1r",
            "x/1.json": b'{"n": 1.5, "label": "cat", "objects": {"bbox": [[0, 0, 1, 1]], "category": ["dog"]}}',
            "x/2.jpg": b"2",
            "x/2.json": b"{",
            "x/3.npy": b"vector",
            "x/3.cls": b"1",
        },
    )
    source = opened(tmp_path, "webdataset")
    found = rows(source)
    assert list(found) == [f"a.tar!/x/{name}" for name in ("0.JPG", "1.left.png", "1.right.png", "2.jpg", "3.npy")]
    first, left, right, broken, lone = found.values()
    assert (first["label"], first["txt"], first["n"], first["manifest_id"], first["half"]) == ("7", "é", 1.0, "q", "?")
    assert first["deep"] == '{"a": [1]}'
    assert left["label"] == right["label"] == "cat" and left["annotations"] == right["annotations"]
    assert json.loads(left["annotations"]) == {"boxes": [[0, 0, 1, 1]], "categories": ["dog"]}
    assert "a.tar!/x/2.jpg: what its sample says cannot be read" in json.loads(broken["annotations"])["problem"]
    assert lone["label"] == "1"
    assert source.columns == pa.schema({"deep": "string", "half": "string", "manifest_id": "string"}).append(
        pa.field("n", pa.float64())
    ).append(pa.field("txt", pa.string()))


def test_a_cut_shard_lists_its_last_whole_sample_and_itself(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", {"0.jpg": b"0", "0.cls": b"1", "1.jpg": b"1" * 2000})
    path.write_bytes(path.read_bytes()[:3000])
    assert list(rows(opened(tmp_path, "webdataset"))) == ["a.tar!/0.jpg", "a.tar"]


# -- huggingface --


def table(path: Path, values: Json, features: Json | None = None) -> None:
    made = pa.table(values)
    if features is not None:
        made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(made, path, row_group_size=2)


def test_what_datasets_writes_is_read(tmp_path: Path) -> None:
    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "objects": {
                "bbox": datasets.List(datasets.List(datasets.Value("float32"), length=4)),
                "category": datasets.List(datasets.ClassLabel(names=["nose", "tail"])),
            },
            "n": datasets.Value("int32"),
        }
    )
    images = [_jpeg(i) for i in range(3)]
    objects = [{"bbox": [[1, 2, 3, 4]], "category": [1]}, {"bbox": [], "category": []}, {"bbox": [], "category": []}]
    values = {"picture": [{"bytes": b, "path": None} for b in images], "label": [1, 0, -1], "objects": objects}
    made = datasets.Dataset.from_dict({**values, "n": [5, 6, 7]}, features)
    made.to_parquet(str(tmp_path / "data" / "train-00000-of-00001.parquet"))
    source = opened(tmp_path, "huggingface")
    found = rows(source)
    assert [source.read(uri, row["etag"]) for uri, row in found.items()] == images
    assert [row["label"] for row in found.values()] == ["dog", "cat", None]
    first = found["data/train-00000-of-00001.parquet!/picture/0"]
    assert (first["n"], first["manifest_split"]) == (5, "train")
    assert json.loads(first["annotations"]) == {"boxes": [[1, 2, 3, 4]], "categories": ["tail"]}


def test_a_column_of_bytes_is_enough_and_a_row_without_them_is_missing(tmp_path: Path) -> None:
    from tests.tasks.load.test_tar import read_all

    table(tmp_path / "a.parquet", {"jpg": pa.array([b"1", None, b"3"]), "caption": ["x", "y", "z"]})
    assert read_all(opened(tmp_path, "huggingface")) == {
        "a.parquet!/jpg/0": b"1",
        "a.parquet!/jpg/1": "missing",
        "a.parquet!/jpg/2": b"3",
    }


def test_rows_are_found_in_any_order_and_none_behind_the_last(tmp_path: Path) -> None:
    table(tmp_path / "a.parquet", {"jpg": pa.array([b"0", b"1", b"2", b"3", b"4"])})
    source = opened(tmp_path, "huggingface")
    assert [source.read(f"a.parquet!/jpg/{row}") for row in (4, 1, 2, 0, 3)] == [b"4", b"1", b"2", b"0", b"3"]
    with pytest.raises(Rejected, match="row 5 of 'jpg': there is no such row"):
        source.read("a.parquet!/jpg/5")


def test_a_row_beyond_the_limit_is_rejected_by_its_uri(tmp_path: Path) -> None:
    table(tmp_path / "100%25.parquet", {"jpg": pa.array([b"12345"])})
    source = opened(tmp_path, "huggingface", limits={"bytes": 4})
    (uri,) = rows(source)
    with pytest.raises(Rejected) as caught:
        source.read(uri)
    assert caught.value.message == f"{uri}: 5 bytes are more than the limit of 4"


@pytest.mark.parametrize("box", [[True, 0, 1, 1], [0, 0, -1, 1], [0, 0, float("nan"), 1], [0, 0, 1], "box", None])
def test_what_is_no_box_rejects_its_image(box: Any) -> None:
    assert said_of([{"bbox": box, "category": "x"}])["problem"].startswith(f"objects: object 1: bbox {box!r} is not")


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ({"path": ["a.jpg"]}, {}, "no column holds images; there are path"),
        ({"image": pa.array([b"1"]), "jpg": pa.array([b"1"])}, {}, r"several columns hold images \(image, jpg\)"),
        ({"image": pa.array([b"1"])}, {"image_column": "nope"}, "image_column 'nope' is no column of images"),
    ],
)
def test_a_table_without_clear_images_is_a_wrong_request(
    values: Json, options: Json, message: str, tmp_path: Path
) -> None:
    table(tmp_path / "a.parquet", values)
    with pytest.raises(RequestError, match=message):
        rows(opened(tmp_path, "huggingface", **options))


def test_files_of_different_columns_and_files_that_are_none_are_named(tmp_path: Path) -> None:
    table(tmp_path / "a.parquet", {"image": pa.array([b"1"]), "n": [1]})
    table(tmp_path / "b.parquet", {"image": pa.array([b"1"])})
    with pytest.raises(RequestError, match=r"b\.parquet: its columns are not those of a\.parquet"):
        rows(opened(tmp_path, "huggingface"))
    (tmp_path / "a.parquet").write_bytes(b"no table")
    with pytest.raises(RequestError, match=r"a\.parquet: is no Parquet file"):
        rows(opened(tmp_path, "huggingface"))


# -- imagemill --


def test_another_output_is_chosen_and_one_without_images_refused(classes: Path, tmp_path: Path) -> None:
    outputs = "    outputs:\n      images: {from: resize}\n      vectors: {from: hog}\n"
    shutil.copytree(classes.parent / "photos", tmp_path / "photos")
    dataset = ran(tmp_path, "{path: photos}", "[resize: {size: [60, 40]}, hog: {cell: [20, 20]}]", outputs)
    assert len(rows(opened(dataset, "imagemill", output="images"))) == 8
    with pytest.raises(RequestError, match="the output vectors holds no images"):
        rows(opened(dataset, "imagemill", output="vectors"))
    with pytest.raises(RequestError, match="no output 'nope'; there are images, vectors"):
        opened(dataset, "imagemill", output="nope")
    with pytest.raises(RequestError, match="no imagemill dataset"):
        opened(tmp_path, "imagemill")


def test_a_row_keeps_its_name_when_its_dataset_grows(tmp_path: Path) -> None:
    from tests.tasks.run.serial import serial

    dataset = annotated(tmp_path)
    before = rows(opened(dataset, "imagemill"))
    (tmp_path / "coco" / "new.png").write_bytes((tmp_path / "coco" / "0.png").read_bytes())
    serial(tmp_path / "out.yaml", "p", dataset)
    after = rows(opened(dataset, "imagemill"))
    assert len(after) == 4 and before.keys() < after.keys()
    assert all(after[uri]["etag"] != row["etag"] for uri, row in before.items()), "they lie in another file"


@pytest.mark.parametrize("pairs", [[], [["left_eye", "right_eye"]]])
def test_a_dataset_with_key_points_is_a_source_whatever_a_mirror_exchanges(pairs: list[Any], tmp_path: Path) -> None:
    dataset = annotated(tmp_path, "keypoints", pairs=pairs)
    assert opened(dataset, "imagemill").kinds.pairs == (((1, 2),) if pairs else ())
    steps = "[augment: {copies: 1, transforms: [hflip: {p: 1}]}]"
    again = ran(tmp_path, "{path: out, format: imagemill}", steps, name="again")
    assert sorted(row["copy"] for row in stored(again).values()) == [0, 0, 0, 1, 1, 1]


def test_the_newest_version_is_the_greatest_number_and_strays_are_none(tmp_path: Path) -> None:
    versions = tmp_path / ".imagemill" / "versions"
    versions.mkdir(parents=True)
    for name, output in {"99999999": "old", "100000000": "new", "9999": "stray"}.items():
        (versions / f"{name}.json").write_text(json.dumps({"outputs": [output], "files": []}))
    assert Prepared(LocalFiles(str(tmp_path)), None).output == "new"


def test_a_damaged_file_of_a_dataset_is_an_error_that_names_it(tmp_path: Path) -> None:
    dataset = annotated(tmp_path)
    (uri, listed), *_ = rows(opened(dataset, "imagemill")).items()
    data = opened(dataset, "imagemill").read(uri, listed["etag"])
    (path,) = (dataset / ".imagemill" / "objects" / "data").glob("*.parquet")
    whole = bytearray(path.read_bytes())
    whole[whole.index(data) + len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(whole)
    with pytest.raises(ImagemillError, match=rf"{path.name}: damaged \(.*`imagemill verify {dataset}` says more"):
        opened(dataset, "imagemill").read(uri, listed["etag"])


# -- voc --


def voc(folder: Path, objects: str = "", name: str = "a") -> None:
    (folder / "JPEGImages").mkdir(parents=True, exist_ok=True)
    (folder / "Annotations").mkdir(exist_ok=True)
    (folder / "Annotations" / f"{name}.xml").write_text(
        f"<annotation><filename>{name}.jpg</filename>{objects}</annotation>"
    )


def box(*corners: object) -> str:
    ends = ("xmin", "ymin", "xmax", "ymax")
    inner = "".join(f"<{end}>{corner}</{end}>" for end, corner in zip(ends, corners, strict=True))
    return f"<object><name>cat</name><bndbox>{inner}</bndbox></object>"


def test_voc_lists_images_without_xml_and_xml_without_image(tmp_path: Path) -> None:
    voc(tmp_path, box(1, 1, 20, 10))
    voc(tmp_path, name="gone")
    (tmp_path / "JPEGImages" / "a.jpg").write_bytes(b"a")
    (tmp_path / "JPEGImages" / "b.png").write_bytes(b"b")
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "train.txt").write_text("a")
    found = rows(opened(tmp_path, "voc"))
    assert {uri: row["size"] for uri, row in found.items()} == {
        "JPEGImages/a.jpg": 1,
        "JPEGImages/b.png": 1,
        "JPEGImages/gone.jpg": -1,
    }
    assert json.loads(found["JPEGImages/a.jpg"]["annotations"])["boxes"] == [[0, 0, 20, 10]]
    assert json.loads(found["JPEGImages/b.png"]["annotations"]) == {"boxes": [], "categories": []}


@pytest.mark.parametrize(
    ("objects", "problem"),
    [
        (box(1, 1, "x", 4), "Annotations/a.xml: object 1: could not convert"),
        (box(9, 1, 2, 4), "its name or its box is none"),
        ("<object><name>cat</name></object>", "object 1"),
        ("\n<object>", "Annotations/a.xml, line 2: is no XML"),
        ("<object><name/></object>" + box(1, 1, 2, 2), "object 1"),
    ],
)
def test_bad_voc_rejects_its_image_alone(objects: str, problem: str, tmp_path: Path) -> None:
    voc(tmp_path, objects)
    (tmp_path / "JPEGImages" / "a.jpg").write_bytes(b"a")
    (row,) = rows(opened(tmp_path, "voc")).values()
    assert problem in json.loads(row["annotations"])["problem"]


def test_a_folder_without_xml_is_no_voc(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    with pytest.raises(RequestError, match="holds no XML"):
        rows(opened(tmp_path, "voc"))


# -- yolo --


def yolo(folder: Path, line: str, data: str = "names: [cat, dog]\ntrain: images/train\n") -> Source:
    for part in ("images", "labels"):
        (folder / part / "train").mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text(data)
    (folder / "images" / "train" / "a.jpg").write_bytes(b"a")
    (folder / "labels" / "train" / "a.txt").write_text(line)
    return opened(folder, "yolo")


def test_yolo_fractions_become_pixels_when_the_image_is_decoded(tmp_path: Path) -> None:
    from tasks.image.geometry import Size
    from tasks.image.targets import Targets

    source = yolo(tmp_path, "1 0.5 0.5 0.2 0.4\n0 0.1 0.1 0.3 0.1 0.3 0.3\n")
    (row,) = rows(source).values()
    targets = Targets.read(json.loads(row["annotations"]), Size(100, 50), source.kinds)
    assert row["manifest_split"] == "train" and targets.categories == ("dog", "cat")
    assert np.allclose(targets.boxes, [[40, 15, 20, 20], [10, 5, 20, 10]])
    assert np.allclose(targets.polygons[1][0], [[10, 5], [30, 5], [30, 15]])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 0.5 0.5 0.2 0.4\n5 0.5 0.5 0.2 0.4", "labels/train/a.txt, line 2: class 5 is not among the names"),
        ("cat 0.5 0.5 0.2 0.4", "line 1"),
        ("0 0.5 0.5 0.2", "found 3 numbers"),
        ("0 0.5 0.5 -0.2 0.4", "negative"),
        ("0 0.5 nan 0.2 0.4", "fractions"),
    ],
)
def test_bad_yolo_rejects_its_image_alone(line: str, problem: str, tmp_path: Path) -> None:
    (row,) = rows(yolo(tmp_path, line)).values()
    assert problem in json.loads(row["annotations"])["problem"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("names: [a\nb: c", r"data\.yaml, line \d: is no YAML"),
        ("nc: 2", "no list of names"),
        ("- 1", "no list of names"),
    ],
)
def test_a_wrong_data_file_is_named_with_its_line(data: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=message):
        rows(yolo(tmp_path, "", data))


@pytest.mark.parametrize("format", ["yolo", "voc"])
def test_a_dot_in_a_folders_name_ends_no_images_name(format: str, tmp_path: Path) -> None:
    images, labels = ("images", "labels") if format == "yolo" else ("JPEGImages", "Annotations")
    for name in (f"{images}/v1.0/a", f"{labels}/v1.0/a.{'txt' if format == 'yolo' else 'xml'}"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("0 0.5 0.5 0.2 0.4" if format == "yolo" else f"<a>{box(1, 1, 2, 2)}</a>")
    (tmp_path / "data.yaml").write_text("names: [cat]")
    found = rows(opened(tmp_path, format))
    assert json.loads(found[f"{images}/v1.0/a"]["annotations"])["categories"] == ["cat"]


# -- imagefolder --


def test_metadata_describe_their_own_folder_and_others_have_their_folders_name(tmp_path: Path) -> None:
    for name in ("train/cat/a.jpg", "train/cat/b.jpg", "test/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "train" / "metadata.csv").write_text(
        "file_name,label,n,code\ncat/a.jpg,lion,1.5,007\ncat/gone.jpg,,2,x\n"
    )
    found = rows(opened(tmp_path, "imagefolder"))
    kept = {
        uri: (row["label"], row["n"], row["code"], row["manifest_split"], row["size"]) for uri, row in found.items()
    }
    assert kept == {
        "train/cat/a.jpg": ("lion", 1.5, "007", "train", 15),
        "train/cat/gone.jpg": (None, 2.0, "x", "train", -1),
        "train/cat/b.jpg": ("cat", None, None, "train", 15),
        "test/c.jpg": (None, None, None, "test", 10),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"file_name": "a.jpg"}\n{"file_name": ', r"metadata\.jsonl, line 2: cannot be read"),
        ('{"n": 1}', r"metadata\.jsonl, line 1: file_name: expected a path"),
        ("[1]", r"line 1: cannot be read \(expected an object"),
    ],
)
def test_bad_metadata_is_named_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text(text)
    with pytest.raises(RequestError, match=message):
        rows(opened(tmp_path, "imagefolder"))


def test_options_of_another_format_are_refused(tmp_path: Path) -> None:
    for option in ("output", "image_column", "mask_column", "annotations"):
        with pytest.raises(RequestError, match=f"{option} belongs? to format: .*, and this is folder"):
            opened(tmp_path, "folder", **{option: "x"})
