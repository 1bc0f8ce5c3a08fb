"""Segmentations, key points and rotated boxes come with their boxes; masks with their images."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tasks.errors import Rejected, RequestError
from tasks.image.geometry import Size
from tasks.image.targets import Kinds, Targets
from tasks.load.header import Limits
from tasks.load.instances import parts, sides
from tasks.load.masks import read_mask
from tasks.load.source import SourceSpec, open_source
from tests.tasks.load.test_coco import box, coco, listed, opened

FACE = {"id": 3, "name": "face", "keypoints": ["nose", "left_eye", "right_eye"]}
POINTS = [10, 20, 2, 5, 6, 1, 0, 0, 0]
SQUARE = [0, 0, 4, 0, 4, 4, 0, 4]


def test_what_belongs_to_a_box_comes_with_it(tmp_path: Path) -> None:
    runs = {"size": [4, 5], "counts": [2, 3, 15]}
    value = coco(
        box(1, segmentation=[SQUARE, [1, 1, 2, 2]], keypoints=POINTS, num_keypoints=2),
        box(1, 9, segmentation=runs),
        box(2, rbox=[5, 6, 8, 4, 30], bbox=None),
        categories=[FACE, {"id": 9, "name": "dog"}],
    )
    source = opened(tmp_path, value)
    assert source.kinds == Kinds(True, True, False, ("nose", "left_eye", "right_eye"), ((1, 2),))
    found = {uri: row["annotations"] for uri, row in listed(source).items()}
    assert found["a.jpg"]["segmentation"] == [[SQUARE], runs]
    assert found["a.jpg"]["keypoints"] == [[10.5, 20.5, 2, 5.5, 6.5, 1, 0.0, 0.0, 0], None]
    assert "rbox" not in found["a.jpg"] and found["b.jpg"]["rbox"] == [[5, 6, 8, 4, 30]]
    targets = Targets.read(found["a.jpg"], Size(5, 4), source.kinds)
    assert [len(one) for one in targets.polygons] == [1, 2]
    assert targets.key_points is not None and targets.key_points.shape == (2, 3, 3)
    assert targets.rotated is not None and targets.rotated[0].tolist() == [2.5, 4.25, 3, 4.5, 0]
    around = found["b.jpg"]["boxes"][0]
    assert around == pytest.approx([5 - 4.464, 6 - 3.732, 8.928, 7.464], abs=1e-3)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"segmentation": "x"}, "segmentation 'x' is no list of polygons"),
        ({"segmentation": [[1, 2, 3]]}, "is no list of polygons"),
        ({"segmentation": [[1, 2, 3, 4, 5, "6"]]}, "is no list of polygons"),
        ({"segmentation": [[1, 2, 3, 4, 5, float("nan")]]}, "is no list of polygons"),
        ({"segmentation": {"counts": "11"}}, "run lengths are not"),
        ({"segmentation": {"size": [0, 4], "counts": []}}, "run lengths are not"),
        ({"keypoints": [1, 2]}, "keypoints [1, 2] are not [x, y, v, ...]"),
        ({"keypoints": [1, 2, 3]}, "with v of 0, 1 or 2"),
        ({"keypoints": [1, 2, 2]}, "1 key points, where there are 3 names"),
        ({"rbox": [1, 2, 3, 4]}, "rbox [1, 2, 3, 4] is not"),
        ({"rbox": [1, 2, -3, 4, 5]}, "is not [center x"),
    ],
)
def test_what_is_wrong_with_an_object_is_noted_with_its_image(
    tmp_path: Path, more: dict[str, Any], problem: str
) -> None:
    source = opened(tmp_path, coco(box(1, **more), box(2, keypoints=POINTS), categories=[FACE]))
    found = listed(source)
    assert problem in found["a.jpg"]["annotations"]["problem"]
    assert "problem" not in found["b.jpg"]["annotations"]


def test_run_lengths_of_another_size_reject_the_image() -> None:
    for runs in ({"size": [4, 5], "counts": [20]}, {"size": [4, 6], "counts": [23]}, {"size": [4, 6], "counts": "!"}):
        with pytest.raises(Rejected) as caught:
            Targets.read({"boxes": [[0, 0, 1, 1]], "categories": ["a"], "segmentation": [runs]}, Size(6, 4))
        assert caught.value.reason == "bad_annotations"


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["nose", "left_eye", "right_eye"], ((1, 2),)),
        (["LeftEye", "RightEye", "leftEar", "rightEar"], ((0, 1), (2, 3))),
        (["ear.L", "ear.R", "bright_spot", "tail"], ((0, 1),)),
        (["l-wrist", "r-wrist", "RIGHT HIP", "LEFT HIP"], ((0, 1), (2, 3))),
        (["head", "tail"], None),
        (["left_eye", "right_eye", "left_wing"], None),
    ],
)
def test_left_and_right_are_found_by_name(names: list[str], pairs: Any) -> None:
    assert sides(names) == pairs


def test_pairs_may_be_given_and_must_be_key_points(tmp_path: Path) -> None:
    def with_pairs(pairs: Any) -> dict[str, Any]:
        return coco(box(1, keypoints=POINTS), categories=[{**FACE, "pairs": pairs}])

    assert opened(tmp_path, with_pairs([["nose", "left_eye"]])).kinds.pairs == ((0, 1),)
    assert opened(tmp_path, with_pairs([])).kinds.pairs == ()
    for wrong in ([["nose", "tail"]], [["nose"]], "x", [["nose", "nose"]]):
        with pytest.raises(RequestError, match="its pairs are no list"):
            opened(tmp_path, with_pairs(wrong)).kinds  # noqa: B018


def test_categories_with_different_key_points_are_an_error(tmp_path: Path) -> None:
    value = coco(box(1, keypoints=POINTS), categories=[FACE, {"id": 9, "name": "dog", "keypoints": ["tail"]}])
    with pytest.raises(RequestError, match="'face' and 'dog' have different key points"):
        opened(tmp_path, value).kinds  # noqa: B018


def test_key_points_without_names_are_numbered_and_declared_ones_without_points_are_none(tmp_path: Path) -> None:
    source = opened(tmp_path, coco(box(1, keypoints=POINTS)))
    assert source.kinds.key_points == ("point_1", "point_2", "point_3") and source.kinds.pairs is None
    assert opened(tmp_path, coco(box(1), categories=[FACE])).kinds == Kinds()


def test_parts_of_a_plain_box_are_none() -> None:
    assert parts(box(segmentation=[], keypoints=None)) == {}


def png(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def test_masks_are_read_as_indices_whatever_their_colours() -> None:
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4)
    palette = Image.fromarray(indices)
    palette = palette.convert("P")
    palette.putdata(indices.ravel().tolist())
    palette.putpalette([255, 0, 0] * 12)
    assert np.array_equal(read_mask(png(palette), Limits()), indices)
    assert np.array_equal(read_mask(png(Image.fromarray(indices), transparency=3), Limits()), indices)
    wide = indices.astype(np.uint16) * 999
    assert np.array_equal(read_mask(cv2.imencode(".png", wide)[1].tobytes(), Limits()), wide)
    assert read_mask(png(Image.fromarray(indices > 5)), Limits()).tolist() == (indices > 5).astype(int).tolist()


@pytest.mark.parametrize("bits", [2, 4])
def test_masks_of_few_bits_keep_their_indices(bits: int) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = {2: bytes([0, 0b00011011]), 4: bytes([0, 0x01, 0x23])}[bits]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    assert read_mask(data, Limits()).tolist() == [[0, 1, 2, 3]]


def test_what_is_no_mask_is_said() -> None:
    good = png(Image.fromarray(np.zeros((3, 4), np.uint8)))
    for data, said in (
        (png(Image.new("RGB", (3, 4))), "colours"),
        (good[:-20], "ends"),
        (good[:45] + b"\1" + good[46:], "checksum"),
        (b"GIF89a" + bytes(30), "cannot be used"),
        (b"", "no bytes"),
    ):
        with pytest.raises(Rejected, match=said) as caught:
            read_mask(data, Limits())
        assert caught.value.reason == "bad_annotations"


def test_a_manifest_names_masks(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/a.png").write_bytes(b"12345")
    (tmp_path / "list.csv").write_text("uri,mask,age\na.jpg,masks/a.png,3\nb.jpg,,4\nc.jpg,gone.png,5\n")
    source = open_source(SourceSpec(path=str(tmp_path / "list.csv"), mask_column="mask"))
    assert source.kinds == Kinds(masks=True) and source.columns.names == ["age"]
    rows = {row["uri"]: row["annotations"] for batch in source.listing() for row in batch.to_pylist()}
    mask = json.loads(rows["a.jpg"])["mask"]
    assert mask["uri"] == "masks/a.png" and mask["size"] == 5 and mask["etag"]
    assert rows["b.jpg"] is None and json.loads(rows["c.jpg"])["mask"]["size"] == -1
    plain = open_source(SourceSpec(path=str(tmp_path / "list.csv")))
    assert plain.kinds == Kinds() and plain.columns.names == ["manifest_mask", "age"]


def test_mask_column_is_of_manifests_alone(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="mask_column belongs to format: csv, parquet, and this is folder"):
        open_source(SourceSpec(path=str(tmp_path), mask_column="mask"))
    (tmp_path / "list.csv").write_text("uri\na.jpg\n")
    with pytest.raises(RequestError, match="set mask_column"):
        open_source(SourceSpec(path=str(tmp_path / "list.csv"), mask_column="mask"))
