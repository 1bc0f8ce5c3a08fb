"""What the preview gathers is what a run would make; how the sheet looks is for eyes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.errors import RequestError
from tasks.pipeline.graph import build
from tasks.pipeline.spec import read
from tasks.report.pictures import Marks, marked, visible
from tasks.report.preview import Preview, preview
from tasks.report.sheet import sheet
from tasks.store.dataset import open_dataset
from tasks.store.local import Store
from tests.tasks.run.serial import serial

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
FILE = """
version: 1
pipelines:
  small:
    source: {path: PATH}
    steps:
      - screen: {dark: {below: 0.32}, blurry: {below: 0.65}}
      - split: {train: 0.7, test: 0.3}
      - convert_color: {space: rgb}
      - resize: {size: [32, 32], fit: crop}
        id: square
      - augment: {copies: 3, transforms: [hflip, {rotate: {degrees: [-20, 20]}}]}
        id: augmented
        where: {split: train}
      - color_histogram: {}
        id: colors
    outputs:
      images: {from: augmented, encode: {format: png}}
"""


def pipeline(folder: Path, source: Path = SAMPLE / "quickstart", text: str = FILE) -> Path:
    file = folder / "pipelines.yaml"
    file.write_text(text.replace("PATH", str(source)))
    return file


def previewed(file: Path, number: int = 6, step: str | None = None, copies: int = 2) -> Preview:
    graph = build(read(file).pipeline("small"))
    return preview(graph, graph.spec.source, Store(file.parent / "none"), number, step, copies)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Preview:
    return previewed(pipeline(tmp_path_factory.mktemp("preview")))


def test_the_pictures_are_those_of_the_rows_that_a_run_makes(tmp_path: Path) -> None:
    file = pipeline(tmp_path, SAMPLE / "quickstart" / "photos")
    serial(file, "small", tmp_path / "out")
    rows = open_dataset(tmp_path / "out").table().to_pylist()
    stored = {(row["source"]["uri"], row["id"][20:]): row["image"]["bytes"] for row in rows}
    compared = 0
    for line in previewed(file, 9, copies=3).lines:
        for (step, row), cell in line.cells.items():
            if step == "augmented":
                assert cell.picture is not None
                shown = cell.picture.resize((32, 32), Image.Resampling.NEAREST)
                assert np.array_equal(shown, Image.open(io.BytesIO(stored[line.uri, row])))
                compared += 1
    assert compared > 4


def test_columns_are_the_steps_that_touch_pixels_or_make_features(made: Preview) -> None:
    assert [column.step for column in made.columns] == ["", "convert_color", "square", "augmented", "colors"]
    assert made.columns[3].rows == ("", ".augmented:1", ".augmented:2")
    assert all(line.cells["colors", ""].values is not None for line in made.lines if line.verdict is None)


def test_the_smallest_keys_are_shown_the_same_every_time(made: Preview, tmp_path: Path) -> None:
    again = previewed(pipeline(tmp_path), 3)
    assert [line.uri for line in again.lines] == [line.uri for line in made.lines[:3]]


def test_a_rejected_image_is_shown_up_to_where_its_way_ends_with_the_reason(made: Preview) -> None:
    lost = [line for line in made.lines if line.verdict is not None]
    assert lost
    for line in lost:
        assert list(line.cells) == [("", "")]
        assert set(line.lost) == {"convert_color", "square", "augmented", "colors"}
        assert line.verdict is not None and line.verdict.step == "screen" and line.verdict.message


def test_what_does_not_decode_is_named_and_does_not_take_a_place(tmp_path: Path) -> None:
    source = tmp_path / "images"
    source.mkdir()
    for name in "abcdef":
        (source / f"{name}.jpg").write_bytes(b"\xff\xd8 no image")
    Image.new("RGB", (40, 40), "white").save(source / "good.png")
    found = previewed(pipeline(tmp_path, source), 2)
    assert [line.uri for line in found.lines] == ["good.png"]
    assert set(found.unread) == {f"{name}.jpg" for name in "abcdef"}
    assert Image.open(io.BytesIO(sheet(found))).width >= 700


def test_one_step_shows_the_way_to_it_only(tmp_path: Path) -> None:
    assert [column.step for column in previewed(pipeline(tmp_path), 1, "square").columns] == [
        "",
        "convert_color",
        "square",
    ]


def test_a_step_that_is_not_there_and_a_source_without_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match=r"no step `squar`.*square"):
        previewed(pipeline(tmp_path), 1, "squar")
    with pytest.raises(RequestError, match="nothing in it"):
        previewed(pipeline(tmp_path, tmp_path / "empty"))


def test_nothing_is_written(tmp_path: Path) -> None:
    previewed(pipeline(tmp_path), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["pipelines.yaml"]


def test_the_sheet_is_one_picture_of_all_lines_and_columns(made: Preview) -> None:
    shown = Image.open(io.BytesIO(sheet(made)))
    assert shown.format == "PNG"
    assert shown.width > 148 * sum(len(column.rows) for column in made.columns)
    assert shown.height > 148 * len(made.lines)


def test_boxes_follow_the_pixels(tmp_path: Path) -> None:
    text = FILE.replace("path: PATH", "path: PATH, format: coco, annotations: annotations.json")
    line = next(
        line
        for line in previewed(pipeline(tmp_path, SAMPLE / "detection", text.replace("0.65", "0.1"))).lines
        if line.verdict is None
    )
    picture = line.cells["square", ""].picture
    assert picture is not None
    assert (np.asarray(picture) == (255, 196, 0)).all(axis=2).any(), "no line of a box's colour"


def test_any_range_of_values_becomes_visible() -> None:
    values = np.linspace(-3, 5, 12, dtype=np.float32).reshape(3, 4, 1)
    shown, stretched = visible(values)
    assert stretched and (shown.mode, shown.size) == ("RGB", (4, 3))
    assert shown.getextrema() == ((0, 255),) * 3
    assert visible(np.full((2, 2, 3), 7, np.uint8))[0].getpixel((0, 0)) == (7, 7, 7)
    assert visible(np.full((2, 2, 1), np.nan, np.float32))[0].getpixel((0, 0)) == (0, 0, 0)


def test_masks_key_points_and_outlines_are_drawn_where_they_lie() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[:, 10:] = 1
    outline = np.array([[2.0, 2.0], [8.0, 2.0], [8.0, 8.0]])
    marks = Marks([[2, 2, 6, 6]], ["cat"], [[outline]], [[[15.0, 15.0, 2.0], [0.0, 0.0, 0.0]]], mask)
    shown = np.asarray(marked(Image.new("RGB", (40, 40)), marks, (2.0, 2.0)))
    assert shown[2, 2].tolist() == [0, 0, 0] and shown[2, 38].tolist() != [0, 0, 0], "the mask covers the right half"
    assert shown[4, 10].tolist() == [255, 196, 0], "the outline"
    assert shown[30, 30].tolist() not in ([0, 0, 0], shown[2, 38].tolist()), "the key point"
