"""Copies a class, and balance: what a run makes of them, what is pinned, and when it changes."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import pyarrow.parquet as pq
import pytest
from skimage import data

from tasks.errors import RequestError
from tasks.pipeline.graph import build
from tasks.pipeline.spec import read
from tasks.run.verify import verify
from tasks.store.dataset import open_dataset
from tests.tasks.run.serial import Ran, files, serial


class Collection:
    """Pictures in class folders, and a pipeline over them."""

    def __init__(self, folder: Path, steps: str, **counts: int) -> None:
        self.folder = folder
        self.write(steps)
        self.put(**counts)

    def write(self, steps: str) -> None:
        head = "version: 1\npipelines:\n  p:\n    source: {path: source}\n    steps:\n      - resize: {size: 24}\n"
        (self.folder / "pipelines.yaml").write_text(head + steps)

    def put(self, **counts: int) -> None:
        for name, count in counts.items():
            (self.folder / "source" / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                part = data.astronaut()[(i * 31) % 400 :][:60, (len(name) * 50 + i * 7) % 400 :][:, :60]
                if not (path := self.folder / "source" / name / f"{i}.png").exists():
                    cv2.imwrite(str(path), part)

    def run(self, output: str = "out", **options: Any) -> Ran:
        return serial(self.folder / "pipelines.yaml", "p", self.folder / output, **options)

    def same_as_fresh(self) -> Ran:
        ran = self.run()
        shutil.rmtree(self.folder / "fresh", ignore_errors=True)
        self.run("fresh")
        assert files(self.folder / "out") == files(self.folder / "fresh")
        return ran

    def rows(self, output: str = "out") -> dict[str, int]:
        """How many rows each class has."""
        table = pq.read_table(self.folder / output / "data", columns=["label"])
        names = open_dataset(self.folder / output).version["classes"]
        return dict(Counter(names[label] for label in table.column("label").to_pylist()))


COPIES = "      - augment: {copies: {cat: 3, dog: 0, default: 1}, transforms: [hflip]}\n"
BALANCED = """      - balance: {by: augment}
      - augment: {copies: balanced, transforms: [hflip]}
"""


def test_each_class_has_its_own_copies(tmp_path: Path) -> None:
    collection = Collection(tmp_path, COPIES, cat=2, dog=3, owl=4)
    collection.run()
    assert collection.rows() == {"cat": 8, "dog": 3, "owl": 8}
    assert verify(tmp_path / "out", None)["problems"] == []


def test_other_copies_of_one_class_are_made_to_a_fresh_runs_bytes(tmp_path: Path) -> None:
    collection = Collection(tmp_path, COPIES, cat=2, dog=3, owl=4)
    collection.run()
    collection.write(COPIES.replace("dog: 0", "dog: 2"))
    collection.same_as_fresh()
    assert collection.rows()["dog"] == 9


def test_the_order_of_the_classes_says_nothing(tmp_path: Path) -> None:
    collection = Collection(tmp_path, COPIES, cat=2, dog=3)
    collection.run()
    collection.write(COPIES.replace("cat: 3, dog: 0, default: 1", "default: 1, dog: 0, cat: 3"))
    assert not collection.run().committed


def test_a_shards_expected_rows_are_those_of_each_sources_class(tmp_path: Path) -> None:
    Collection(tmp_path, COPIES, cat=2, dog=3, owl=1)
    output = build(read(tmp_path / "pipelines.yaml").pipeline("p")).outputs[0]
    one = output.expected_bytes(0, "dog")
    assert [output.expected_bytes(0, label) // one for label in ("cat", "owl", None)] == [4, 2, 2]


def test_a_class_that_no_image_has_is_a_mistake_with_the_nearest_name(tmp_path: Path) -> None:
    collection = Collection(tmp_path, COPIES, cats=2, dog=3)
    with pytest.raises(RequestError, match="no image is of class 'cat'; did you mean `cats`"):
        collection.run()


def test_copies_that_balance_are_counted_in_the_listing(tmp_path: Path) -> None:
    collection = Collection(tmp_path, BALANCED, cat=2, dog=6, owl=4)
    collection.run()
    assert collection.rows() == {"cat": 6, "dog": 6, "owl": 8}
    assert verify(tmp_path / "out", None)["problems"] == []


def test_they_are_pinned_while_they_are_about_right(tmp_path: Path) -> None:
    collection = Collection(tmp_path, BALANCED, cat=2, dog=6)
    collection.run()
    collection.put(dog=8)  # 4 rows a cat are wanted, and there are 3
    ran = collection.run()
    assert (ran.made, collection.rows()) == (2, {"cat": 6, "dog": 8})
    collection.put(dog=10)  # 5 of 3 are too far off
    ran = collection.same_as_fresh()
    assert (ran.made, collection.rows()) == (12, {"cat": 10, "dog": 10})


def test_fresh_counts_anew(tmp_path: Path) -> None:
    collection = Collection(tmp_path, BALANCED, cat=2, dog=6)
    collection.run()
    collection.put(dog=8)
    collection.run(fresh=True)
    assert collection.rows() == {"cat": 8, "dog": 8}


def test_another_balance_counts_anew(tmp_path: Path) -> None:
    collection = Collection(tmp_path, BALANCED, cat=2, dog=8)
    collection.run()
    collection.write(BALANCED.replace("by: augment", "by: augment, ratio: 1.2"))
    collection.same_as_fresh()
    assert collection.rows() == {"cat": 6, "dog": 8}


def test_balance_by_augment_counts_where_it_is_for(tmp_path: Path) -> None:
    steps = f"      - split: {{train: 0.5, test: 0.5}}\n{BALANCED}".replace(
        "}\n      - aug", "}\n        WHERE\n      - aug"
    )
    steps = steps.replace("WHERE", "where: {split: train}") + "        where: {split: train}\n"
    collection = Collection(tmp_path, steps, cat=12, dog=36)
    collection.run()
    table = pq.read_table(tmp_path / "out/data").to_pylist()
    originals = Counter((row["split"], row["label"]) for row in table if not row["copy"])
    wanted = int(originals["train", 1] / originals["train", 0] + 0.5)
    rows = Counter((row["split"], row["label"]) for row in table)
    assert rows["train", 0] == originals["train", 0] * wanted and rows["test", 0] == originals["test", 0]


DROP = "      - balance: {ratio: 2}\n"


def test_dropped_images_are_rejected_with_their_class_and_limit(tmp_path: Path) -> None:
    collection = Collection(tmp_path, DROP, cat=3, dog=10)
    ran = collection.run()
    assert collection.rows() == {"cat": 3, "dog": 6}
    assert ran.version["counts"]["reasons"] == {"too_many_of_class": 4}
    rejected = pq.read_table(tmp_path / "out/rejected").to_pylist()
    assert all(row["step"] == "balance" and row["measure"] > row["limit"] for row in rejected)


def test_a_growing_class_takes_back_what_was_dropped(tmp_path: Path) -> None:
    collection = Collection(tmp_path, DROP, cat=3, dog=10)
    collection.run()
    collection.put(cat=4)
    ran = collection.same_as_fresh()
    assert collection.rows() == {"cat": 4, "dog": 8} and (ran.made, ran.again) == (1, 2)


def test_weights_stand_in_the_version_and_drop_nothing(tmp_path: Path) -> None:
    collection = Collection(tmp_path, "      - balance: {by: weight, ratio: 2}\n", cat=2, dog=10)
    collection.run()
    assert collection.rows() == {"cat": 2, "dog": 10}
    weights = open_dataset(tmp_path / "out").weights["balance"]
    assert weights["cat"] * 2 * 2 == pytest.approx(weights["dog"] * 10)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("      - augment: {copies: balanced, transforms: [hflip]}\n", "needs a step `balance: {by: augment}`"),
        ("      - balance: {by: augment}\n      - augment: {transforms: [hflip]}\n", "write `copies: balanced`"),
        ("      - augment: {copies: {cat: 0}, original: false, transforms: [hflip]}\n", "nothing is left of cat"),
    ],
)
def test_what_cannot_balance_is_a_mistake(tmp_path: Path, steps: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Collection(tmp_path, steps, cat=1).run()


@pytest.mark.parametrize("step", ["balance: {ratio: 1}", "balance: {by: weight}", "split: {stratify: label}"])
def test_what_counts_classes_is_refused_where_no_image_has_one(step: str, tmp_path: Path) -> None:
    collection = Collection(tmp_path, f"      - {step}\n", cat=2)
    text = (tmp_path / "pipelines.yaml").read_text()
    (tmp_path / "pipelines.yaml").write_text(text.replace("{path: source}", "{path: source/cat}"))
    with pytest.raises(RequestError, match="counts the images of each class, and none has a label"):
        collection.run()


def test_a_label_that_no_image_has_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Collection(tmp_path, "      - hflip: {p: 1}\n        where: {label: catt}\n", cat=2).run()
    assert "hflip: no image has the label 'catt'; did you mean `cat`?" in caplog.text
