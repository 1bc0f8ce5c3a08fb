"""Decisions over the whole collection: the same however it came about, and what they leave in rows and tables."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from skimage import data

from tasks.errors import RequestError
from tasks.pipeline.graph import build
from tasks.pipeline.spec import SpecError, thaw
from tasks.store.dataset import open_dataset
from tests.tasks.run.serial import Ran, files, serial

ROOT = Path(__file__).parents[3]
WHOLES = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
FILE = """
version: 1
pipelines:
  one:
    source: {{path: {source}{more}}}
    steps:
{steps}
      - resize: {{size: [24, 24]}}
        id: last
    outputs:
      images: {{from: {last}, encode: {{format: png}}}}
"""


def part(number: int, side: int = 96) -> np.ndarray:
    """A cut from a photograph, unlike the others."""
    whole = WHOLES[number % 4]
    row, column = divmod(number // 4, 3)
    return np.ascontiguousarray(whole[row * 100 : row * 100 + side, column * 140 : column * 140 + side])


def write(path: Path, pixels: np.ndarray, quality: int = 95) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])


class Collection:
    """A folder of photographs, and a pipeline over it."""

    def __init__(self, folder: Path, steps: list[str], last: str = "last", more: str = "") -> None:
        self.folder = folder
        self.source = folder / "source"
        for number in range(14):
            write(self.source / f"{number:02}.jpg", part(number))
        self.write(steps, last, more)

    def write(self, steps: list[str], last: str = "last", more: str = "") -> None:
        lines = "\n".join(f"      - {step}" for step in steps)
        text = FILE.format(source=self.source, steps=lines, last=last, more=more)
        (self.folder / "pipelines.yaml").write_text(text)

    def run(self, output: str) -> Ran:
        return serial(self.folder / "pipelines.yaml", "one", self.folder / output)

    def rejected(self, output: str) -> dict[str, dict]:
        return {row["uri"]: row for row in pq.read_table(self.folder / output / "rejected").to_pylist()}

    def rows(self, output: str) -> dict[str, dict]:
        return {row["source"]["uri"]: row for row in pq.read_table(self.folder / output / "data").to_pylist()}

    def flags(self, output: str, ran: Ran) -> list[dict]:
        found: list[dict] = open_dataset(self.folder / output, ran.version["version"]).flags.to_pylist()
        assert ran.version["flagged"] == dict(Counter(row["reason"] for row in found))
        return found

    def told(self, output: str, ran: Ran) -> list[object]:
        """Everything that a fresh run would have to give again."""
        entries = sorted((entry["prefix"], entry["sha256"]) for entry in ran.version["decisions"])
        return [files(self.folder / output), entries, ran.version["counts"]]


PIPELINES = {
    "phash": ["deduplicate: {keep: sharpest, dihedral: true, verify: strict}", "split: {folds: 3}", "odd_size"],
    "flagged": [
        "deduplicate: {method: dhash, action: flag}",
        "odd_size: {action: flag}",
        "split: {train: 0.5, test: 0.5}",
    ],
    "pixels": ["deduplicate: {method: pixels, keep: first}", "deduplicate: {method: whash, bits: 64}"],
    "features": [
        "resize: {size: [32, 32]}",
        "hog: {cell: [8, 8]}",
        "deduplicate: {method: embedding, of: hog, similarity: 0.9}",
        "outliers: {of: hog, above: 0.45, action: reject}",
    ],
}


@pytest.mark.parametrize("steps", PIPELINES.values(), ids=PIPELINES)
def test_a_grown_and_shrunk_collection_gives_what_a_fresh_run_gives(tmp_path: Path, steps: list[str]) -> None:
    collection = Collection(tmp_path, steps)
    first = collection.run("a")
    splits = {uri: (row["split"], row.get("fold")) for uri, row in collection.rows("a").items()}
    large = cv2.resize(part(3), (200, 200), interpolation=cv2.INTER_CUBIC)
    write(collection.source / "large.jpg", large)  # another keeper
    write(collection.source / "flipped.jpg", np.ascontiguousarray(part(5)[:, ::-1]))
    write(collection.source / "q60.jpg", part(4), 60)
    shutil.copy(collection.source / "08.jpg", collection.source / "again.jpg")
    write(collection.source / "wide.jpg", np.tile(part(9), (5, 5, 1)))
    grown = collection.run("a")
    assert grown.made == 5 and grown.committed and grown.version["decisions"]
    assert collection.told("a", grown) == collection.told("b", collection.run("b"))
    now = {uri: (row["split"], row.get("fold")) for uri, row in collection.rows("a").items()}
    assert all(now[uri] == splits[uri] for uri in now.keys() & splits.keys())
    assert collection.run("a").committed is False
    for name in ("large.jpg", "again.jpg", "q60.jpg", "flipped.jpg", "wide.jpg"):
        (collection.source / name).unlink()
    assert collection.told("a", collection.run("a")) == collection.told("c", collection.run("c"))
    assert first.version["files"] == [{**entry} for entry in collection.run("a").version["files"]]


def test_a_changed_distance_measures_nothing_again(tmp_path: Path) -> None:
    collection = Collection(tmp_path, ["deduplicate: {distance: 10}"])
    collection.run("a")
    collection.write(["deduplicate: {distance: 20, keep: first}"])
    assert collection.run("a").made == 0


def test_a_duplicate_names_its_keeper_and_by_how_much(tmp_path: Path) -> None:
    collection = Collection(tmp_path, ["deduplicate"])
    write(collection.source / "q60.jpg", part(4), 60)
    collection.run("a")
    row = collection.rejected("a")["q60.jpg"]
    assert row["keeper"] == "04.jpg" and row["reason"] == "duplicate" and row["measure"] <= row["limit"] == 60


def test_what_is_flagged_stays_and_is_noted(tmp_path: Path) -> None:
    collection = Collection(tmp_path, ["deduplicate: {action: flag}"])
    write(collection.source / "q60.jpg", part(4), 60)
    ran = collection.run("a")
    assert ran.version["counts"]["rejected"] == 0 and "q60.jpg" in collection.rows("a")
    assert [(row["step"], row["reason"]) for row in collection.flags("a", ran)] == [("deduplicate", "duplicate")]


def test_no_training_image_is_like_one_outside_train(tmp_path: Path) -> None:
    collection = Collection(tmp_path, ["deduplicate: {action: flag}", "split: {train: 0.5, test: 0.5}"])
    for number in range(14):
        write(collection.source / f"copy{number:02}.jpg", part(number), 70)
    collection.run("a")
    rows, gone = collection.rows("a"), collection.rejected("a")
    assert gone and {row["reason"] for row in gone.values()} == {"leaks_into_test"}
    assert all(row["split"] == "train" and rows[row["keeper"]]["split"] == "test" for row in gone.values())
    pairs = [(f"{number:02}.jpg", f"copy{number:02}.jpg") for number in range(14)]
    both = [(rows[one]["split"], rows[other]["split"]) for one, other in pairs if one in rows and other in rows]
    assert both and all(one == other for one, other in both)


@pytest.mark.parametrize(
    ("split", "kind"),
    [
        ("split: {a: 0.5, b: 0.5}", "split"),
        ("split: {train: 0.34, validation: 0.33, test: 0.33}", "split"),
        ("split: {train: 0.9, test: 0.1, folds: 3}", "fold"),
    ],
)
def test_no_flagged_duplicates_straddle_any_parts(split: str, kind: str, tmp_path: Path) -> None:
    collection = Collection(tmp_path, ["deduplicate: {action: flag}", split])
    for number in range(14):
        write(collection.source / f"copy{number:02}.jpg", part(number))
    collection.run("a")
    rows, gone = collection.rows("a"), collection.rejected("a")
    assert {row["reason"] for row in gone.values()} >= {f"leaks_into_{kind.replace('split', 'test')}"}
    pairs = [(f"{number:02}.jpg", f"copy{number:02}.jpg") for number in range(14)]
    for one, other in ((rows[one], rows[other]) for one, other in pairs if one in rows and other in rows):
        assert one["split"] == other["split"]
        assert kind == "split" or one["fold"] == other["fold"] or one["split"] != "train"


def test_earlier_partitions_keep_theirs(tmp_path: Path) -> None:
    collection = Collection(tmp_path, ["deduplicate"])
    manifest = tmp_path / "list.csv"
    write(tmp_path / "images" / "old.jpg", part(1, 60))
    write(tmp_path / "images" / "new.jpg", cv2.resize(part(1, 60), (120, 120)))
    manifest.write_text("uri,day\nimages/old.jpg,d1\nimages/new.jpg,d2\n")
    collection.source = manifest
    collection.write(["deduplicate"])
    assert set(collection.run("a").version["counts"]["reasons"]) == {"duplicate"}
    assert set(collection.rejected("a")) == {"old.jpg"} or set(collection.rejected("a")) == {"images/old.jpg"}
    text = (tmp_path / "pipelines.yaml").read_text()
    (tmp_path / "pipelines.yaml").write_text(text.replace("    steps:", "    partition: day\n    steps:"))
    collection.run("b")
    assert [Path(uri).name for uri in collection.rejected("b")] == ["new.jpg"]


def test_what_another_dataset_keeps_is_a_duplicate(tmp_path: Path) -> None:
    other = Collection(tmp_path / "other", ["deduplicate"])
    other.run("out")
    collection = Collection(tmp_path, [f"deduplicate: {{against: {tmp_path}/other/out, distance: 20}}"])
    for number in range(3):
        write(collection.source / f"{number:02}.jpg", 255 - part(number))  # unlike what is there
    ran = collection.run("a")
    assert set(collection.rows("a")) == {"00.jpg", "01.jpg", "02.jpg"}
    assert collection.rejected("a")["05.jpg"]["keeper"] == f"{tmp_path}/other/out/05.jpg"
    assert ran.version["against"]["deduplicate"]["version"] == 1
    assert collection.run("a").committed is False
    (other.source / "05.jpg").unlink()
    other.run("out")
    assert "05.jpg" in collection.rows("a") or collection.run("a").again == 1  # made now that nothing is like it
    assert "05.jpg" in collection.rows("a")
    assert collection.told("a", collection.run("a")) == collection.told("b", collection.run("b"))


def test_against_nothing_or_something_else_is_a_mistake_at_its_line(tmp_path: Path) -> None:
    collection = Collection(tmp_path, ["deduplicate: {against: nowhere}"])
    with pytest.raises(SpecError, match=r"pipelines.yaml:7:.*deduplicate: against: .*nowhere: no imagemill dataset"):
        collection.run("a")
    collection.write(["deduplicate: {method: dhash}"])
    collection.run("there")
    collection.write(["deduplicate: {against: there}"])
    with pytest.raises(SpecError, match=r"there has no step that measures the same \(phash\)"):
        collection.run("a")
    with pytest.raises(SpecError, match="is the dataset that this pipeline writes"):
        collection.run("there")


def test_folds_are_a_column_that_steps_may_ask_for(tmp_path: Path) -> None:
    collection = Collection(tmp_path, ["split: {folds: 3}", "invert: {}\n        where: {fold: 1}"])
    collection.run("a")
    rows = collection.rows("a").values()
    assert {row["fold"] for row in rows} == {0, 1, 2}
    assert all((row["lineage"][0]["operation"] == "invert") == (row["fold"] == 1) for row in rows)
    schema = pq.read_schema(next((tmp_path / "a" / "data").glob("*.parquet")))
    assert schema.field("fold").type == pa.int32()


def test_a_column_named_fold_or_none_to_stratify_by_is_a_mistake(tmp_path: Path) -> None:
    collection = Collection(tmp_path, ["split: {folds: 3}"])
    (tmp_path / "list.csv").write_text("uri,fold\nsource/00.jpg,1\n")
    collection.source = tmp_path / "list.csv"
    collection.write(["split: {folds: 3}"])
    with pytest.raises(RequestError, match="has a column `fold` already"):
        collection.run("a")
    collection.write(["split: {stratify: breed}"])
    with pytest.raises(SpecError, match=r"pipelines.yaml:7:.*no column 'breed'"):
        collection.run("a")


def thawed(*steps: dict) -> None:
    source = {"path": "data/sample/quickstart"}
    build(
        thaw({"version": 1, "name": "one", "source": source, "steps": list(steps), "outputs": {"images": {}}}, Path())
    )


def test_a_second_split_is_a_mistake() -> None:
    with pytest.raises(SpecError, match="one split for a whole pipeline, split: leave split_2 out"):
        thawed({"split": {}, "id": "split"}, {"split": {"train": 1}, "id": "split_2"})


def test_a_feature_step_that_is_not_before_is_a_mistake() -> None:
    for step in ({"outliers": {"of": "hogg"}}, {"deduplicate": {"method": "embedding", "of": "hogg"}}):
        hog = [{"resize": {"size": [32, 32]}, "id": "resize"}, {"hog": {"cell": [8, 8]}, "id": "hog"}]
        with pytest.raises(SpecError, match="`hogg`, no feature step before it; did you mean `hog`"):
            thawed(*hog, {**step, "id": "step"})


def test_deciding_takes_a_few_bytes_a_row_whatever_the_number_of_leaves() -> None:
    few, many = (simulated_peak(rows) for rows in (30_000, 150_000))
    assert many["left"]["near"] > 10_000 and many["leaves"] > few["leaves"] > 8  # at most HELD are in memory
    assert (many["peak_mb"] - few["peak_mb"]) * 1e6 / 120_000 < 250  # bytes a row; 167 at 10 million


def simulated_peak(rows: int) -> dict:
    command = [sys.executable, "benchmarks/decide.py", "--json", "--rows", str(rows), "--leaf", "2048"]
    ran = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}, capture_output=True, check=True)
    return json.loads(ran.stdout)
