"""COCO: boxes with their images, and nothing lost between them."""

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import Rejected, RequestError
from tasks.image.targets import Targets
from tasks.load.source import Source, SourceSpec, open_source
from tasks.load.stream import Reader

SAMPLE = Path(__file__).parents[3] / "data/sample/detection"

IMAGES = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
CATEGORIES = [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}]


def box(image: Any = 1, category: Any = 3, bbox: Any = (1, 2, 3, 4.5), **more: Any) -> dict[str, Any]:
    return {"id": 7, "image_id": image, "category_id": category, "bbox": bbox, **more}


def opened(folder: Path, value: Any = None, names: tuple[str, ...] = ("a.jpg", "b.jpg"), **options: Any) -> Source:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    if value is not None:
        (folder / "annotations.json").write_text(value if isinstance(value, str) else json.dumps(value))
    return open_source(SourceSpec(path=str(folder), format="coco", **options))


def coco(*annotations: dict[str, Any], images: Any = IMAGES, categories: Any = CATEGORIES) -> dict[str, Any]:
    return {"info": {"x": [1]}, "images": images, "annotations": list(annotations), "categories": categories}


def listed(source: Source) -> dict[str, dict[str, Any]]:
    found = [row for batch in source.listing() for row in batch.to_pylist()]
    assert len({row["uri"] for row in found}) == len(found)
    return {row["uri"]: {**row, "annotations": json.loads(row["annotations"])} for row in found}


def boxes(source: Source) -> dict[str, list[Any]]:
    return {
        uri: list(zip(row["annotations"]["boxes"], row["annotations"]["categories"], strict=True))
        for uri, row in listed(source).items()
    }


def test_boxes_come_with_their_images_in_the_files_order(tmp_path: Path) -> None:
    source = opened(tmp_path, coco(box(2), box(1, 9, [5, 6, 7, 8]), box(2, 9, [0, 0, 1, 1])))
    assert boxes(source) == {
        "a.jpg": [([5, 6, 7, 8], "dog")],
        "b.jpg": [([1, 2, 3, 4.5], "cat"), ([0, 0, 1, 1], "dog")],
    }
    assert source.categories == ["cat", "dog"]
    assert {row["label"] for row in listed(source).values()} == {None}
    assert source.columns.names == []
    (batch,) = source.listing()
    texts = dict(zip(batch["uri"].to_pylist(), batch["annotations"].to_pylist(), strict=True))
    assert texts["a.jpg"] == '{"boxes":[[5.0,6.0,7.0,8.0]],"categories":["dog"]}'
    assert Targets.read(json.loads(texts["b.jpg"])).categories == ("cat", "dog")


def test_a_file_that_is_not_named_has_no_boxes_and_one_that_is_missing_is_listed(tmp_path: Path) -> None:
    source = opened(tmp_path, coco(box(2)), names=("a.jpg", "more/notes.txt"))
    found = listed(source)
    assert set(found) == {"a.jpg", "b.jpg", "more/notes.txt"}
    assert found["more/notes.txt"]["annotations"] == {"boxes": [], "categories": []}
    assert (found["b.jpg"]["size"], len(found["b.jpg"]["annotations"]["boxes"])) == (-1, 1)
    with pytest.raises(Rejected) as caught:
        source.read("b.jpg")
    assert caught.value.reason == "missing"


def test_hidden_files_that_are_named_are_listed_with_their_size(tmp_path: Path) -> None:
    source = opened(tmp_path, coco(images=[{"id": 1, "file_name": ".a.jpg"}]), names=(".a.jpg", ".b.jpg", "c.jpg"))
    assert {uri: row["size"] for uri, row in listed(source).items()} == {".a.jpg": 6, "c.jpg": 5}


def test_images_may_lie_in_a_folder_of_that_name(tmp_path: Path) -> None:
    source = opened(tmp_path, coco(box(1)), names=("images/a.jpg", "images/b.jpg"))
    assert {uri: len(found) for uri, found in boxes(source).items()} == {"images/a.jpg": 1, "images/b.jpg": 0}
    assert source.read("images/a.jpg") == b"images/a.jpg"


def test_annotations_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/val.json").write_text(json.dumps(coco(box(1))))
    for place in ("../annotations/val.json", str(tmp_path / "annotations/val.json")):
        source = opened(tmp_path / "val", annotations=place)
        assert {uri: len(found) for uri, found in boxes(source).items()} == {"a.jpg": 1, "b.jpg": 0}
    spec = SourceSpec(path=str(tmp_path / "val"), annotations="../annotations/val.json")
    assert open_source(spec).categories == ["cat", "dog"]


def test_crowds_are_left_out(tmp_path: Path) -> None:
    source = opened(tmp_path, coco(box(1, iscrowd=1), box(1, 9, iscrowd=0), box(1, iscrowd=1, bbox=None)))
    assert [name for _, name in boxes(source)["a.jpg"]] == ["dog"]


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (box(1, 77), "annotation number 2: category_id 77 is not declared in categories"),
        (box(1, bbox=[1, 2, 3]), "annotation 7: bbox [1, 2, 3] is not [x, y, width, height]"),
        (box(1, bbox=None), "annotation 7: bbox None is not"),
        (box(1, bbox=[1, 2, -3, 4]), "is not [x, y, width, height]"),
        (box(1, bbox=[1, 2, float("nan"), 4]), "is not [x, y, width, height]"),
        (box(1, bbox=[float("inf"), 2, 3, 4]), "is not [x, y, width, height]"),
        (box(1, bbox=["1", 2, 3, 4]), "is not [x, y, width, height]"),
        (box(1, bbox=[True, 2, 3, 4]), "is not [x, y, width, height]"),
        (box(1, bbox=[10**400, 2, 3, 4]), "is not [x, y, width, height]"),
    ],
)
def test_what_is_wrong_with_one_image_is_noted_with_it_alone(
    tmp_path: Path, annotation: dict[str, Any], problem: str
) -> None:
    found = listed(opened(tmp_path, coco(box(1), annotation, box(2))))
    assert problem in found["a.jpg"]["annotations"]["problem"]
    assert len(found["a.jpg"]["annotations"]["boxes"]) == 1
    assert "problem" not in found["b.jpg"]["annotations"]


def test_ids_may_be_text(tmp_path: Path) -> None:
    value = coco(box("y"), images=[{"id": "x", "file_name": "a.jpg"}, {"id": "y", "file_name": "b.jpg"}])
    assert {uri: len(found) for uri, found in boxes(opened(tmp_path, value)).items()} == {"a.jpg": 0, "b.jpg": 1}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "line 1, column 1: expected '{', found the end of the file"),
        ("[]", "line 1, column 1: expected '{'"),
        ('{"images": [\n{"id": 1,\n "file_name": }]}', "annotations.json, line 3, column 15: Expecting value"),
        ('{"images": []', "expected ',' or '}', found the end of the file"),
        ('{"images": [{"id": "x', "Unterminated string"),
        ("{} x", "expected the end of the file"),
        ("{}", "it has no images, annotations, categories"),
        ('{"images": {}}', "line 1, column 12: expected '\\['"),
        ('{"images": [], "images": []}', "'images' stands twice"),
        ('{"images": [3]}', "expected objects, found int"),
        ('{"x": ' + "[" * 100_000, "cannot be read"),
        (coco(images=[{"id": 1}]), "image 1 has no file_name"),
        (coco(images=[{"id": None, "file_name": "a"}]), "id None is neither a whole number nor text"),
        (coco(images=[{"id": 1, "file_name": ""}]), "image 1: '' names no file"),
        (
            coco(images=[{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "./a"}]),
            "two images have the file_name 'a'",
        ),
        (coco(images=[{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]), "'a' and 'b' have the same id"),
        (coco(categories=[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]), "two categories have the id 1"),
        (coco(categories=[{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]), "two categories are called 'a'"),
        (coco(categories=[{"id": 1}]), "category 1 has no name"),
        (coco(box(1), box(5)), "1 annotations belong to images .* number 2, image_id 5"),
    ],
)
def test_what_is_wrong_with_the_file_is_an_error_with_its_place(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        listed(opened(tmp_path, value))
    assert "annotations.json" in str(caught.value)


def test_a_missing_annotations_file_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"annotations\.json: there is nothing here"):
        opened(tmp_path)


def test_text_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "annotations.json").write_bytes(b'{"images": "\xff"}')
    with pytest.raises(RequestError, match="is not UTF-8"):
        listed(opened(tmp_path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(before=JSON, images=st.lists(JSON, max_size=5), indent=st.sampled_from([None, 2]), chunk=st.integers(1, 20))
def test_the_stream_gives_what_json_gives(before: Any, images: list[Any], indent: int | None, chunk: int) -> None:
    text = json.dumps({"first": before, "images": images, "last": 12345}, indent=indent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.load.stream._CHUNK", chunk)
        found = list(Reader(io.BytesIO(text.encode()), "x").elements(("images",)))
    assert [value for _, value in found][1:] == images


def test_a_large_file_is_streamed(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{i:07}.jpg", "width": 640, "height": 480} for i in range(5_000)]
    annotations = [box(i % 5_000, segmentation={"counts": "x" * 5000}) for i in range(5_000)]
    source = opened(tmp_path, coco(*annotations, images=images), names=())
    size = (tmp_path / "annotations.json").stat().st_size
    del images, annotations
    tracemalloc.start()
    assert len(source.categories) == 2
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 20e6 and peak < 8e6


def test_the_sample_collection_is_read() -> None:
    source = opened(SAMPLE, names=(), annotations="annotations.json")
    found = boxes(source)
    assert len(found) == 14
    assert sum(map(len, found.values())) == len(json.loads((SAMPLE / "annotations.json").read_text())["annotations"])
    assert "annotations.json" not in found
