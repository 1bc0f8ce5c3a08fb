"""A dataset's past: what changed is told, an old version comes back whole, and cleaning spares what is needed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import imageio.v3
import numpy as np
import pytest

from tasks.errors import ImagemillError, RequestError
from tasks.report.publish import clean, publish, rollback
from tasks.run.trace import trace
from tasks.run.verify import verify
from tasks.store.dataset import open_dataset
from tasks.store.history import history
from tasks.store.local import PAGES, Store
from tests.tasks.run.serial import files
from tests.tasks.run.test_run import Collection

DAY = 86_400.0


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """A collection with three versions: as it came, with one image more, with one less and one changed."""
    collection = Collection(tmp_path)
    collection.run("a")
    noise = np.random.default_rng(5).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    imageio.v3.imwrite(collection.source / "photos" / "new.png", noise)
    collection.run("a")
    (collection.source / "photos" / "new.png").unlink()
    image = collection.source / "photos" / "coffee.jpg"
    image.write_bytes(image.read_bytes() + b"\0")
    collection.run("a")
    return collection


def objects(dataset: Path) -> set[str]:
    house = dataset / ".imagemill"
    folders = (house / name for name in ("objects", "measures", "decisions"))
    return {str(path.relative_to(house)) for folder in folders for path in folder.rglob("*.parquet")}


def named(dataset: Path, *numbers: int) -> set[str]:
    versions = [open_dataset(dataset, number).version for number in numbers]
    return {e["object"] for v in versions for table in ("files", "rejected", "measures", "decisions") for e in v[table]}


def test_history_says_what_each_version_changed(collection: Collection) -> None:
    newest, second, first = history(Store(collection.folder / "a"))
    assert [one["version"] for one in (newest, second, first)] == [3, 2, 1]
    assert [one["current"] for one in (newest, second, first)] == [True, False, False]
    assert first["changes"] is None
    assert second["changes"]["sources"] == {"added": 1, "removed": 0, "changed": 0}
    assert newest["changes"]["sources"] == {"added": 0, "removed": 1, "changed": 1}
    for one, before in ((second, first), (newest, second)):
        for name, rows in one["changes"]["rows"].items():
            assert rows["added"] - rows["removed"] == one["rows"][name] - before["rows"][name]
    assert newest["changes"]["rows"]["features"]["changed"] == 1


def test_a_changed_step_counts_the_rows_of_its_output_as_changed(collection: Collection) -> None:
    collection.write(degrees="[-20, 20]")
    collection.run("a")
    newest = history(Store(collection.folder / "a"), last=1)[0]
    rows = newest["changes"]["rows"]
    assert rows["images"] == {"added": 0, "removed": 0, "changed": newest["rows"]["images"]}
    assert rows["features"] == {"added": 0, "removed": 0, "changed": 0}


def test_a_rollback_is_a_new_version_with_the_old_files_and_pages(collection: Collection) -> None:
    dataset = collection.folder / "a"
    version, changed = rollback(dataset, 1)
    old = open_dataset(dataset, 1).version
    assert (version["version"], version["parent"], version["restored"], changed) == (4, 3, 1, True)
    assert {name: version[name] for name in ("files", "rejected", "counts")} == {
        name: old[name] for name in ("files", "rejected", "counts")
    }
    assert sorted(files(dataset)) == sorted(e["path"] for e in (*old["files"], *old["rejected"]))
    assert "Version 4" in (dataset / "README.md").read_text()
    assert "version 4" in (dataset / "report.html").read_text()
    assert rollback(dataset, 1) == (version, False)
    assert open_dataset(dataset, 2).table().num_rows == sum(
        open_dataset(dataset, 2).version["counts"]["rows"]["images"].values()
    )


def test_the_run_after_a_rollback_brings_the_dataset_up_to_date(collection: Collection) -> None:
    before = collection.files("a")
    rollback(collection.folder / "a", 1)
    collection.run("a")
    assert collection.files("a") == before


def test_a_rollback_to_what_is_gone_is_refused_and_names_it(collection: Collection) -> None:
    dataset = collection.folder / "a"
    lost = min(named(dataset, 1) - named(dataset, 2, 3))
    (dataset / ".imagemill" / lost).unlink()
    with pytest.raises(ImagemillError, match=lost):
        rollback(dataset, 1)
    with pytest.raises(RequestError, match=r"no version 9; there are \[1, 2, 3\]"):
        rollback(dataset, 9)
    assert Store(dataset).versions() == [1, 2, 3]


def test_cleaning_removes_what_no_version_names_and_nothing_else(collection: Collection) -> None:
    dataset = collection.folder / "a"
    shown = files(dataset)
    wanted = named(dataset, 2, 3)
    orphan = dataset / ".imagemill" / "objects" / "data" / "train-all-0123.parquet"
    orphan.write_bytes(b"left by a killed run")
    staged = dataset / ".imagemill" / "staging" / "unit-0.arrow"
    staged.parent.mkdir(exist_ok=True)
    staged.write_bytes(b"staged")
    promised = clean(dataset, keep=2, age=0.0, dry_run=True)
    assert orphan.exists()
    assert clean(dataset, keep=2, age=0.0) == promised
    assert promised.versions == [1]
    assert objects(dataset) == wanted
    assert not staged.exists()
    assert files(dataset) == shown
    assert verify(dataset)["problems"] == []
    with pytest.raises(RequestError, match=r"there are \[2, 3\]"):
        open_dataset(dataset, 1)
    assert [one["changes"] is None for one in history(Store(dataset))] == [False, True]
    assert trace(dataset, "photos/new.png")["version"] == 2


def test_cleaning_spares_what_was_replaced_or_left_behind_lately(collection: Collection) -> None:
    dataset = collection.folder / "a"
    before = objects(dataset)
    fresh = dataset / ".imagemill" / "objects" / "fresh.parquet"
    fresh.write_bytes(b"sealed by a run that was killed a minute ago")
    old = fresh.with_name("old.parquet")
    old.write_bytes(b"sealed by a run that was killed a month ago")
    os.utime(old, (time.time() - 30 * DAY,) * 2)
    found = clean(dataset, keep=1, age=7 * DAY)
    assert (found.versions, found.files) == ([], ["objects/old.parquet"])
    assert objects(dataset) == before | {"objects/fresh.parquet"}


def test_a_kill_between_commit_and_report_is_mended_by_the_next_command(collection: Collection) -> None:
    dataset = collection.folder / "a"
    publish(Store(dataset), Store(dataset).version(3))
    pages = {name: (dataset / name).read_bytes() for name in PAGES}
    rollback(dataset, 1)
    store = Store(dataset)
    store.commit({**store.version(3), "version": 5, "parent": 4})  # killed here: pages and views are those of 4
    assert "Version 4" in (dataset / "README.md").read_text()
    clean(dataset, keep=9, age=DAY)
    assert "Version 5" in (dataset / "README.md").read_text()
    assert files(dataset).keys() == {e["path"] for t in ("files", "rejected") for e in store.version(3)[t]}
    assert pages["README.md"].replace(b"Version 3", b"Version 5") == (dataset / "README.md").read_bytes().replace(
        b"00000005.json", b"00000003.json"
    )
    (dataset / "report.html").unlink()
    clean(dataset, keep=9, age=DAY)
    assert (dataset / "report.html").is_file()


def test_nothing_is_cleaned_while_a_run_holds_the_dataset(collection: Collection) -> None:
    dataset = collection.folder / "a"
    with Store(dataset).locked(), pytest.raises(ImagemillError, match="another run"):
        clean(dataset, keep=1, age=0.0)
    with pytest.raises(RequestError, match="no imagemill dataset"):
        clean(collection.source, keep=1, age=0.0)
    assert not (collection.source / ".imagemill").exists()
