"""A run's promises: the same bytes however they come about, only what is missing is made, and the sum adds up."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import imageio.v3
import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.errors import ImagemillError, RequestError
from tasks.run import todo
from tests.tasks.run.serial import files, serial

SAMPLE = Path(__file__).parents[3] / "data" / "sample" / "quickstart"

PIPELINE = """
version: 1
pipelines:
  small:
    source: {{path: {source}}}
    seed: 7
    steps:
      - screen: {{blurry: {{below: {blurry}}}, dark: {{below: 0.32}}, min_size: [64, 64]}}
      - convert_dtype: {{dtype: uint8}}
      - convert_color: {{space: rgb}}
      - deduplicate: {{method: exact}}
      - split: {{train: 0.7, validation: 0.2, test: 0.1}}
      - resize: {{size: [64, 64], fit: crop}}
        id: square
      - augment:
          copies: 2
          transforms:
            - hflip
            - rotate: {{degrees: {degrees}}}
            - brightness_contrast
        id: augmented
        where: {{split: train}}
      - hog: {{cell: [16, 16]}}
        needs: square
    outputs:
      images: {{from: augmented, shard: {shard}}}
      features: {{from: hog}}
"""


class Collection:
    """A copy of the sample that a test may change, and a pipeline file over it."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "source"
        self.folder = folder
        shutil.copytree(SAMPLE, self.source)
        self.write()

    def write(self, *, blurry: float = 0.62, degrees: str = "[-10, 10]", shard: str = "256MB") -> None:
        text = PIPELINE.format(source=self.source, blurry=blurry, degrees=degrees, shard=shard)
        (self.folder / "pipelines.yaml").write_text(text)

    def run(self, output: str, **options: object):  # type: ignore[no-untyped-def]
        return serial(self.folder / "pipelines.yaml", "small", self.folder / output, **options)  # type: ignore[arg-type]

    def files(self, output: str) -> dict[str, str]:
        return files(self.folder / output)

    def fresh_files(self, output: str) -> dict[str, str]:
        self.run(output)
        return self.files(output)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(tmp_path)


def test_every_source_is_kept_or_rejected_with_a_reason(collection: Collection) -> None:
    counts = collection.run("a").version["counts"]
    listed = sum(len(names) for _, _, names in os.walk(collection.source))
    assert counts["listed"] == listed == counts["kept"] + counts["rejected"]
    rejected = pq.read_table(collection.folder / "a" / "rejected").to_pylist()
    kept = {row["uri"] for row in pq.read_table(collection.folder / "a" / "data")["source"].to_pylist()}
    assert len(rejected) == counts["rejected"]
    assert kept.isdisjoint(row["uri"] for row in rejected)
    assert len(kept) + len(rejected) == listed
    assert all(row["step"] and row["reason"] and row["message"] for row in rejected)
    reasons = {Path(row["uri"]).stem.split(".")[0]: row["reason"] for row in rejected}
    assert set(reasons.values()) >= {"truncated", "not_an_image", "empty", "dark", "blurry", "duplicate"}


def test_a_duplicate_names_its_keeper(collection: Collection) -> None:
    collection.run("a")
    rejected = pq.read_table(collection.folder / "a" / "rejected").to_pylist()
    duplicate = next(row for row in rejected if row["reason"] == "duplicate")
    keeper = collection.source / duplicate["keeper"]
    assert keeper.read_bytes() == (collection.source / duplicate["uri"]).read_bytes()


def test_units_and_their_order_decide_no_byte(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = collection.fresh_files("a")
    monkeypatch.setattr(todo, "UNIT_SOURCES", 3)
    monkeypatch.setattr(todo, "LEAST_SOURCES", 3)
    collection.run("b", order=lambda units: reversed(units))
    assert collection.files("b") == expected


def test_an_unchanged_run_makes_nothing_and_commits_nothing(collection: Collection) -> None:
    collection.run("a")
    again = collection.run("a")
    assert (again.made, again.sealed, again.committed) == (0, [], False)


def test_another_schedule_or_cluster_commits_nothing(collection: Collection) -> None:
    collection.run("a")
    file = collection.folder / "pipelines.yaml"
    beside = "    schedule: {interval: 1 day}\n    watch: {every: 30 seconds}\n    cluster: {workers: 3}\n"
    file.write_text(file.read_text() + beside)
    again = collection.run("a")
    assert (again.made, again.sealed, again.committed) == (0, [], False)


def test_a_new_time_stamp_is_read_once_and_commits_nothing(collection: Collection) -> None:
    collection.run("a")
    os.utime(collection.source / "photos" / "coffee.jpg")
    touched = collection.run("a")
    assert (touched.made, touched.committed) == (1, False)
    assert collection.run("a").made == 0


def test_a_change_that_size_and_time_hide_is_found_by_reading(collection: Collection) -> None:
    collection.run("a")
    image = collection.source / "photos" / "coffee.jpg"
    before = image.stat()
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert collection.run("a").made == 0
    assert collection.run("a", read_all=True).committed
    assert collection.files("a") == collection.fresh_files("b")


def test_one_new_image_is_made_alone_and_gives_the_bytes_of_a_fresh_run(collection: Collection) -> None:
    collection.run("a")
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    imageio.v3.imwrite(collection.source / "photos" / "new.png", noise)
    added = collection.run("a")
    assert added.made == 1
    assert collection.files("a") == collection.fresh_files("b")


def test_a_deleted_keeper_brings_its_duplicate_back(collection: Collection) -> None:
    collection.run("a")
    rejected = pq.read_table(collection.folder / "a" / "rejected").to_pylist()
    duplicate = next(row for row in rejected if row["reason"] == "duplicate")
    (collection.source / duplicate["keeper"]).unlink()
    after = collection.run("a")
    assert (after.made, after.again) == (0, 1)
    assert collection.files("a") == collection.fresh_files("b")


def test_a_changed_augment_leaves_measures_and_features_alone(collection: Collection) -> None:
    before = collection.run("a").version
    collection.write(degrees="[-20, 20]")
    after = collection.run("a")
    assert after.version["fingerprints"]["measures"] == before["fingerprints"]["measures"]
    assert all(path.startswith("data/") for path in after.sealed)
    assert collection.files("a") == collection.fresh_files("b")


@pytest.mark.parametrize("blurry", [0.7, 0.5])
def test_a_changed_threshold_gives_the_bytes_of_a_fresh_run(collection: Collection, blurry: float) -> None:
    collection.run("a")
    collection.write(blurry=blurry)
    collection.run("a")
    assert collection.files("a") == collection.fresh_files("b")


def test_a_loosened_threshold_makes_only_what_it_lets_in(collection: Collection) -> None:
    collection.write(blurry=0.7)
    strict = collection.run("a").version["counts"]
    collection.write(blurry=0.62)
    loose = collection.run("a")
    let_in = loose.version["counts"]["kept"] - strict["kept"]
    assert let_in > 0
    assert loose.made in (let_in, let_in + 1)  # and a duplicate, which only the table can tell
    assert collection.files("a") == collection.fresh_files("b")


def test_another_shard_size_copies_rows_without_decoding(collection: Collection) -> None:
    collection.run("a")
    collection.write(shard="100KB")
    after = collection.run("a")
    assert after.made == 0
    assert len([path for path in collection.files("a") if path.startswith("data/train-")]) > 1
    assert collection.files("a") == collection.fresh_files("b")
    collection.write()
    assert collection.run("a").made == 0
    assert collection.files("a") == collection.fresh_files("c")


def test_what_a_killed_run_staged_is_not_made_again(collection: Collection) -> None:
    class Killed(Exception):
        pass

    def die_after_two(units):  # type: ignore[no-untyped-def]
        for i, unit in enumerate(units):
            if i == 2:
                raise Killed
            yield unit

    with pytest.raises(Killed):
        collection.run("a", order=die_after_two)
    resumed = collection.run("a")
    listed = sum(len(names) for _, _, names in os.walk(collection.source))
    assert 0 < resumed.made < listed
    assert collection.files("a") == collection.fresh_files("b")


def test_a_torn_staged_file_is_made_again(collection: Collection) -> None:
    class Killed(Exception):
        pass

    def die_at_the_end(units):  # type: ignore[no-untyped-def]
        yield from units
        raise Killed

    with pytest.raises(Killed):
        collection.run("a", order=die_at_the_end)
    torn = min((collection.folder / "a" / ".imagemill" / "staging").glob("*.arrow"))
    torn.write_bytes(torn.read_bytes()[:-100])
    assert collection.run("a").made > 0
    assert collection.files("a") == collection.fresh_files("b")


def test_an_emptied_source_does_not_empty_the_dataset(collection: Collection) -> None:
    collection.run("a")
    before = collection.files("a")
    for path in [p for p in collection.source.rglob("*") if p.is_file()]:
        path.unlink()
    with pytest.raises(ImagemillError, match="allow-shrink"):
        collection.run("a")
    assert collection.files("a") == before


def test_a_source_that_lost_a_quarter_of_its_images_is_refused(collection: Collection) -> None:
    collection.run("a")
    for path in sorted(p for p in collection.source.rglob("*") if p.is_file())[::4]:
        path.unlink()
    with pytest.raises(ImagemillError, match="check the mount"):
        collection.run("a")


def test_another_source_is_refused_for_a_dataset_that_exists(collection: Collection) -> None:
    collection.run("a")
    collection.source = collection.source.rename(collection.folder / "elsewhere")
    collection.write()
    with pytest.raises(RequestError, match="--output"):
        collection.run("a")


def test_an_image_keeps_its_split_when_the_collection_grows(collection: Collection) -> None:
    collection.run("a")
    before = _splits(collection.folder / "a")
    for i in range(5):
        shutil.copy(collection.source / "photos" / "coffee.jpg", collection.source / "photos" / f"more_{i}.jpg")
    collection.run("a")
    after = _splits(collection.folder / "a")
    assert {name: after.get(name) for name in before if name in after} == {
        n: s for n, s in before.items() if n in after
    }


def _splits(dataset: Path) -> dict[str, str]:
    table = pq.read_table(dataset / "data", columns=["id", "split"])
    return dict(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))


def test_the_smallest_keys_are_those_of_a_limited_run(collection: Collection) -> None:
    limited = collection.run("a", limit=10).version["counts"]
    assert limited["listed"] == 10


def test_everything_bad_still_commits_a_dataset_that_opens(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "text.jpg").write_text("no image")
    (source / "empty.png").touch()
    (tmp_path / "pipelines.yaml").write_text(
        f"version: 1\npipelines:\n  bad:\n    source: {{path: {source}}}\n    steps:\n      - resize: {{size: 32}}\n"
    )
    counts = serial(tmp_path / "pipelines.yaml", "bad", tmp_path / "out").version["counts"]
    assert (counts["kept"], counts["rejected"]) == (0, 2)
    assert pq.read_table(tmp_path / "out" / "data").num_rows == 0


def _pipeline(tmp_path: Path, source: str, steps: str) -> Path:
    file = tmp_path / "pipelines.yaml"
    file.write_text(f"version: 1\npipelines:\n  p:\n    source: {source}\n{steps}")
    return file


def _same_as_fresh(file: Path) -> bool:
    serial(file, "p", file.parent / "a")
    shutil.rmtree(file.parent / "fresh", ignore_errors=True)
    serial(file, "p", file.parent / "fresh")
    return files(file.parent / "a") == files(file.parent / "fresh")


def test_frames_are_rows_of_their_source_and_follow_its_changes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    (tmp_path / "s").mkdir()
    for frames in (5, 7, 2):
        pixels = rng.integers(0, 255, (frames, 40, 50, 3), dtype=np.uint8)
        imageio.v3.imwrite(tmp_path / "s" / "a.gif", pixels)
        imageio.v3.imwrite(tmp_path / "s" / "b.png", pixels[0])
        steps = "    steps:\n      - resize: {size: 32}\n      - augment: {transforms: [hflip]}\n"
        file = _pipeline(tmp_path, f"{{path: {tmp_path}/s, frames: all}}", steps)
        assert _same_as_fresh(file)
        ids = pq.read_table(tmp_path / "a" / "data", columns=["id"])["id"].to_pylist()
        assert len(ids) == 2 * (frames + 1)
        assert all(".f" in name for name in ids)


def test_partitions_have_trees_of_their_own_and_leave_each_other_alone(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "photos", tmp_path / "s")
    names = sorted(path.name for path in (tmp_path / "s").iterdir())
    lines = [f"{name},2024-0{1 + i % 2}" for i, name in enumerate(names[:-1])]
    steps = "    partition: delivery\n    steps:\n      - resize: {size: 32}\n"
    file = _pipeline(tmp_path, f"{{path: {tmp_path}/s/m.csv}}", steps)
    (tmp_path / "s" / "m.csv").write_text("\n".join(["uri,delivery", *lines]))
    serial(file, "p", tmp_path / "a")
    assert {p.name[:13] for p in (tmp_path / "a" / "data").iterdir()} == {"train-2024-01", "train-2024-02"}
    (tmp_path / "s" / "m.csv").write_text("\n".join(["uri,delivery", *lines, f"{names[-1]},2024-03"]))
    delivered = serial(file, "p", tmp_path / "a")
    assert [path.split("/")[1][:13] for path in delivered.sealed] == ["train-2024-03"]
    assert _same_as_fresh(file)


def test_a_changed_column_or_label_makes_its_rows_again(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "photos", tmp_path / "s")
    names = sorted(path.name for path in (tmp_path / "s").iterdir())
    rows = [f"{name},{'cat' if i % 2 else 'dog'},{i}" for i, name in enumerate(names)]
    steps = "    steps:\n      - resize: {size: 32}\n      - gaussian_blur: {sigma: 1}\n        where: {age: 3}\n"
    file = _pipeline(tmp_path, f"{{path: {tmp_path}/s/m.csv}}", steps)
    (tmp_path / "s" / "m.csv").write_text("\n".join(["uri,label,age", *rows, "nowhere.jpg,cat,1"]))
    first = serial(file, "p", tmp_path / "a")
    assert first.version["counts"]["reasons"]["missing"] == 1
    rows[2] = f"{names[2]},dog,3"
    (tmp_path / "s" / "m.csv").write_text("\n".join(["uri,label,age", *rows, "nowhere.jpg,cat,1"]))
    changed = serial(file, "p", tmp_path / "a")
    assert (changed.made, changed.again) == (2, 0)  # the row, and the file that may have come
    assert _same_as_fresh(file)


def test_a_check_behind_tiles_drops_tiles_and_follows_its_threshold(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "photos", tmp_path / "s")
    counts = []
    for below in (0.5, 0.7):
        steps = f"    steps:\n      - tile: {{size: [64, 64]}}\n      - screen: {{dark: {{below: {below}}}}}\n"
        file = _pipeline(tmp_path, f"{{path: {tmp_path}/s}}", steps)
        assert _same_as_fresh(file)
        counts.append(pq.read_metadata(next((tmp_path / "a" / "data").iterdir())).num_rows)
    assert counts[0] > counts[1] > 0


def test_an_output_that_comes_and_goes_leaves_the_others_alone(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "photos", tmp_path / "s")
    steps = "    steps:\n      - resize: {size: 32}\n      - color_moments\n"
    steps += "    outputs:\n      images: {from: resize}\n"
    both = steps + "      moments: {from: color_moments}\n"
    for text, made in ((both, True), (steps, False), (both, True)):
        file = _pipeline(tmp_path, f"{{path: {tmp_path}/s}}", text)
        ran = serial(file, "p", tmp_path / "a")
        assert bool(ran.made) == made
        assert _same_as_fresh(file)
        assert (tmp_path / "a" / "moments").is_dir() == (text == both)


def test_a_check_that_is_added_measures_what_is_known_before_it_judges(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "photos", tmp_path / "s")
    for checks in ("blurry: {below: 0.7}", "blurry: {below: 0.4}, light: {below: 0.05}"):
        steps = (
            f"    steps:\n      - screen: {{{checks}}}\n      - dark: {{below: 0.4}}\n      - resize: {{size: 32}}\n"
        )
        assert _same_as_fresh(_pipeline(tmp_path, f"{{path: {tmp_path}/s}}", steps))


def test_whom_a_step_decides_on_is_part_of_what_it_measures(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / "s")
    for label in ("photos", "space"):
        steps = f"    steps:\n      - deduplicate: {{method: phash}}\n        where: {{label: {label}}}\n"
        file = _pipeline(tmp_path, f"{{path: {tmp_path}/s}}", steps + "      - resize: {size: 32}\n")
        assert _same_as_fresh(file)


def test_a_check_of_one_split_follows_the_shares(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "photos", tmp_path / "s")
    for train in (0.8, 0.5):
        steps = f"    steps:\n      - split: {{train: {train}, test: {1 - train:.1f}}}\n"
        steps += "      - low_information: {}\n        where: {split: train}\n      - resize: {size: 32}\n"
        assert _same_as_fresh(_pipeline(tmp_path, f"{{path: {tmp_path}/s}}", steps))


def test_a_partition_that_comes_later_moves_the_rows(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "photos", tmp_path / "s")
    names = sorted(path.name for path in (tmp_path / "s").iterdir())
    lines = [f"{name},d{i % 2}" for i, name in enumerate(names)]
    (tmp_path / "s" / "m.csv").write_text("\n".join(["uri,delivery", *lines]))
    for partition in ("", "    partition: delivery\n", ""):
        steps = f"{partition}    steps:\n      - resize: {{size: 32}}\n"
        assert _same_as_fresh(_pipeline(tmp_path, f"{{path: {tmp_path}/s/m.csv}}", steps))


def test_a_file_put_back_with_its_old_time_is_read_again(collection: Collection) -> None:
    collection.run("a")
    image = collection.source / "photos" / "coffee.jpg"
    old, before = image.read_bytes(), image.stat()
    os.utime(image)
    collection.run("a")
    image.write_bytes(old[:-1] + b"x")
    collection.run("a")
    image.write_bytes(old)
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert collection.run("a").committed
    assert collection.files("a") == collection.fresh_files("b")
