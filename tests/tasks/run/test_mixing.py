"""Rows of several images: the same bytes however they come about, stale when a partner is, made again from parents."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from skimage import data

from tasks.errors import RequestError
from tasks.load.listing import key
from tasks.pipeline.graph import build
from tasks.pipeline.spec import read
from tasks.run import discover, todo
from tasks.run.explain import explained, foreseen
from tasks.run.look import Looker
from tasks.run.make import reject_unread
from tasks.run.run import Run
from tasks.run.trace import drawn, trace
from tasks.run.verify import verify
from tasks.store.local import Store
from tests.tasks.run.serial import Ran, files, serial

CLASSES = ("cat", "dog", "owl")
COUNT = 14
PIPELINE = """
version: 1
pipelines:
  mixed:
    source: {source}
    seed: 7
    steps:
      - dark: {{below: 0.1}}
      - split: {{train: 0.7, test: 0.3}}
      - deduplicate: {{method: exact}}
      - resize: {{size: [48, 32]}}
      - augment:
          copies: 3
          transforms:
            - hflip
            - one_of: {{transforms: [{transforms}]}}
        where: {{split: train}}
      - color_moments
    outputs:
      images: {{from: augment, encode: {{format: png}}, shard: 60KB}}
      features: {{from: color_moments}}
"""


class Collection:
    """Pictures in class folders, which a test may change, and a pipeline over them."""

    def __init__(self, folder: Path, source: str = "", transforms: str = "mixup, cutmix, mosaic") -> None:
        self.folder, self.source = folder, folder / "source"
        text = PIPELINE.format(source=source or f"{{path: {self.source}}}", transforms=transforms)
        (folder / "pipelines.yaml").write_text(text)
        for i in range(COUNT):
            self.put(f"{CLASSES[i % 3]}/{i}.png", i)

    def put(self, name: str, content: int, brightness: float = 1.0) -> None:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = data.astronaut()[content * 20 : content * 20 + 70, 100:190]
        cv2.imwrite(str(path), (part * brightness).astype(np.uint8))

    def run(self, output: str = "out", **options: Any) -> Ran:
        return serial(self.folder / "pipelines.yaml", "mixed", self.folder / output, **options)

    def rows(self, name: str = "data", output: str = "out") -> list[dict[str, Any]]:
        return list(pq.read_table(self.folder / output / name).to_pylist())

    def same_as_fresh(self) -> Ran:
        """Run on top of what is there, and compare every byte with a run from nothing."""
        ran = self.run()
        shutil.rmtree(self.folder / "fresh", ignore_errors=True)
        self.run("fresh")
        assert files(self.folder / "out") == files(self.folder / "fresh")
        return ran

    def ring(self) -> list[str]:
        """The training images in the order of their keys."""
        train = {row["source"]["uri"] for row in self.rows() if row["split"] == "train"}
        return sorted(train, key=key)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection(tmp_path)
    made.run()
    return made


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """One that tests look at, and leave as it is."""
    made = Collection(tmp_path_factory.mktemp("untouched"))
    made.run()
    return made


def parents(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for step in row["lineage"] for one in json.loads(step["params"]).get("parents", [])]


def test_partners_are_the_next_images_of_the_split(untouched: Collection) -> None:
    ring = untouched.ring()
    copies = [row for row in untouched.rows() if row["copy"]]
    assert len(copies) == 3 * len(ring) and {row["split"] for row in copies} == {"train"}
    seen = set()
    for row in copies:
        at, found = ring.index(row["source"]["uri"]), [one["uri"] for one in parents(row)]
        first = (row["copy"] - 1) * len(found)
        near = [ring[(at + n) % len(ring)] for n in range(1, 9)]
        assert found == [near[(first + n) % 8] for n in range(len(found))]
        seen.add(len(found))
    assert seen == {1, 3}


def test_labels_are_weighted_by_what_is_shown(untouched: Collection) -> None:
    for row in untouched.rows():
        weights = {CLASSES[one["label"]]: one["weight"] for one in row["labels"]}
        own = row["source"]["uri"].split("/")[0]
        assert sum(weights.values()) == pytest.approx(1, abs=1e-6)
        assert set(weights) <= {own, *(one["uri"].split("/")[0] for one in parents(row))}
        assert CLASSES[row["label"]] == own
        assert row["copy"] or weights == {own: 1}


def test_features_of_mixtures_have_their_labels_and_parents(untouched: Collection) -> None:
    images, features = ({row["id"]: row for row in untouched.rows(name)} for name in ("data", "features"))
    assert images.keys() == features.keys()
    assert all(row["labels"] == images[name]["labels"] for name, row in features.items())
    assert all(row["lineage"] == images[name]["lineage"] for name, row in features.items())


def test_units_decide_no_byte(untouched: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(todo, "UNIT_SOURCES", 2)
    monkeypatch.setattr(todo, "LEAST_SOURCES", 2)
    untouched.run("other", order=lambda units: reversed(units))
    assert files(untouched.folder / "out") == files(untouched.folder / "other")


def test_an_unchanged_run_makes_nothing(untouched: Collection) -> None:
    again = untouched.run()
    assert (again.made, again.again, again.committed) == (0, 0, False)


def test_every_row_is_made_again_from_its_parents(untouched: Collection) -> None:
    found = verify(untouched.folder / "out", None)
    assert found["problems"] == [] and found["replayed"] == len(untouched.rows()) * 2


def changed(collection: Collection) -> None:
    collection.put(collection.ring()[3], 15)


def deleted(collection: Collection) -> None:
    (collection.source / collection.ring()[3]).unlink()


def added(collection: Collection) -> None:
    ring = [key(uri) for uri in collection.ring()]
    names = (f"cat/new{i}.png" for i in range(10_000))
    between = [name for name in names if ring[3] < key(name) < ring[4]]
    for name in between[:40]:  # some of them in the training split
        collection.put(name, 16)


def rejected(collection: Collection) -> None:
    collection.put(collection.ring()[3], 3, brightness=0.02)


def moved(collection: Collection) -> None:
    uri = collection.ring()[3]
    target = collection.source / "bat" / Path(uri).name
    target.parent.mkdir()
    (collection.source / uri).rename(target)


@pytest.mark.parametrize("change", [changed, deleted, added, rejected, moved])
def test_a_partner_that_is(collection: Collection, change: Callable[[Collection], None]) -> None:
    """Whatever happens to a partner: a run on top of the old dataset gives a fresh run's bytes."""
    change(collection)
    collection.same_as_fresh()
    assert verify(collection.folder / "out", None)["problems"] == []


def test_a_partner_whose_label_is_another(tmp_path: Path) -> None:
    manifest = tmp_path / "source" / "list.csv"
    collection = Collection(tmp_path, source=f"{{path: {manifest}}}")
    lines = [f"{CLASSES[i % 3]}/{i}.png,{CLASSES[i % 3]}\n" for i in range(COUNT)]
    manifest.write_text("uri,label\n" + "".join(lines))
    collection.run()
    uri = collection.ring()[3]
    mixed = [row["source"]["uri"] for row in collection.rows() if uri in [one["uri"] for one in parents(row)]]
    text = manifest.read_text()
    manifest.write_text(text.replace(f"{uri},{uri[:3]}", f"{uri},{'cat' if uri[:3] != 'cat' else 'dog'}"))
    problems = verify(tmp_path / "out", None)["problems"]
    assert any(f"says of {uri}, which was mixed in, (label" in one for one in problems)
    ran = collection.same_as_fresh()
    assert set(mixed) and ran.made == 1 + len(set(mixed))


def test_leaves_of_the_listing_decide_no_byte(untouched: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "LEAF_SOURCES", 3)
    untouched.run("leaves")
    one, many = (files(untouched.folder / name) for name in ("out", "leaves"))
    rows = {name: sha for name, sha in one.items() if not name.startswith("rejected")}
    assert rows == {name: sha for name, sha in many.items() if not name.startswith("rejected")}
    assert untouched.run("leaves").made == 0


def test_a_changed_image_makes_only_those_anew_that_were_mixed_with_it(collection: Collection) -> None:
    changed(collection)
    ran = collection.same_as_fresh()
    assert ran.made == 1 and 0 < ran.again < len(collection.ring()) - 1


def test_an_image_that_comes_back_is_mixed_in_again(collection: Collection) -> None:
    before = files(collection.folder / "out")
    uri = collection.ring()[3]
    aside = (collection.source / uri).rename(collection.folder / "aside.png")
    collection.run()
    aside.rename(collection.source / uri)
    collection.run()
    assert files(collection.folder / "out") == before


def test_another_threshold_of_a_check_changes_who_is_mixed_in(collection: Collection) -> None:
    file = collection.folder / "pipelines.yaml"
    darkest = min(collection.rows(), key=lambda row: row["dark"])
    file.write_text(file.read_text().replace("below: 0.1", f"below: {darkest['dark'] + 1e-6}"))
    assert collection.same_as_fresh().made
    assert all(darkest["source"]["uri"] not in [one["uri"] for one in parents(row)] for row in collection.rows())


def test_a_new_time_stamp_makes_nothing_anew(collection: Collection) -> None:
    (collection.source / collection.ring()[3]).touch()
    ran = collection.run()
    assert (ran.made, ran.again, ran.committed) == (1, 0, False)


def test_a_killed_run_is_resumed_over_a_changed_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(todo, "UNIT_SOURCES", 3)
    monkeypatch.setattr(todo, "LEAST_SOURCES", 3)
    collection = Collection(tmp_path)

    def stop(units: list[Any]) -> Any:
        yield from units[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collection.run(order=stop)
    for i in range(3):
        collection.put(f"dog/late{i}.png", 17)
    collection.same_as_fresh()


def test_where_no_partner_passes_the_copy_is_skipped_and_noted(tmp_path: Path) -> None:
    collection = Collection(tmp_path, transforms="mosaic")
    for path in sorted(collection.source.rglob("*.png"))[3:]:
        path.unlink()
    collection.same_as_fresh()
    assert all(not row["copy"] for row in collection.rows())
    notes = [
        json.loads(one["params"]) for row in collection.rows() for one in row["lineage"] if row["split"] == "train"
    ]
    assert {note["reason"] for note in notes if "reason" in note} == {"no_partner"}
    assert verify(tmp_path / "out", None)["problems"] == []
    for i in range(4, COUNT):
        collection.put(f"owl/{i}.png", i)
    collection.same_as_fresh()
    assert any(row["copy"] for row in collection.rows())


def test_trace_names_the_parents(untouched: Collection) -> None:
    row = next(row for row in untouched.rows() if len(parents(row)) == 3)
    text = drawn(trace(untouched.folder / "out", row["id"]))
    assert f"with {', '.join(one['uri'] for one in parents(row))}" in text


def test_a_replay_says_which_parent_has_changed(collection: Collection) -> None:
    uri = collection.ring()[3]
    (collection.source / uri).write_bytes(b"other")
    problems = verify(collection.folder / "out", None)["problems"]
    assert any(f"{uri}, which was mixed in, has changed" in one for one in problems)


def test_a_dataset_without_mixing_has_no_column_for_it(tmp_path: Path) -> None:
    collection = Collection(tmp_path, transforms="vflip")
    collection.run()
    assert "labels" not in collection.rows()[0] and "lineage" not in collection.rows("features")[0]
    measures = next((tmp_path / "out/.imagemill/measures").rglob("*.parquet"))
    assert {"tried", "partners"}.isdisjoint(pq.read_schema(measures).names)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("mixup", "mixup mixes images: put it among the transforms of an augment"),
        ("one_of: {transforms: [mosaic]}", "one_of"),
    ],
)
def test_mixing_outside_an_augment_is_a_mistake(tmp_path: Path, step: str, message: str) -> None:
    collection = Collection(tmp_path)
    file = tmp_path / "pipelines.yaml"
    file.write_text(file.read_text().replace("- dark: {below: 0.1}", f"- {step}"))
    with pytest.raises(RequestError, match=message):
        collection.run()


def with_targets(folder: Path, masks: bool) -> Path:
    """Six pictures with a box each, or a mask, which say where a white square is; their pipeline mixes them."""
    source = folder / "source"
    source.mkdir(parents=True)
    annotations, lines = [], ["uri,mask"]
    for i in range(6):
        pixels = np.full((40, 60, 3), 20 + i, np.uint8)
        pixels[10 + i : 25 + i, 5 * i : 5 * i + 20] = 255
        cv2.imwrite(str(source / f"{i}.png"), pixels)
        cv2.imwrite(str(source / f"{i}.mask.png"), (pixels[:, :, 0] == 255).astype(np.uint8))
        annotations.append({"id": i, "image_id": i, "category_id": 1, "bbox": [5 * i, 10 + i, 20, 15]})
        lines.append(f"{i}.png,{i}.mask.png")
    images = [{"id": i, "file_name": f"{i}.png"} for i in range(6)]
    coco = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "square"}]}
    (source / "boxes.json").write_text(json.dumps(coco))
    (source / "masks.csv").write_text("\n".join(lines))
    place = "masks.csv, mask_column: mask" if masks else "boxes.csv"
    if not masks:
        for mask in source.glob("*.mask.png"):
            mask.unlink()
        place = "'', format: coco, annotations: boxes.json"
    file = folder / "pipelines.yaml"
    file.write_text(
        f"""
version: 1
pipelines:
  mixed:
    source: {{path: source/{place}}}
    steps:
      - resize: {{size: [48, 48], fit: pad, fill: 0.5}}
      - augment: {{copies: 4, transforms: [one_of: {{transforms: [cutmix, mosaic]}}, hflip: {{p: 0.5}}]}}
    outputs:
      images: {{from: augment, encode: {{format: png}}, masks: {{fill: 9}},
                boxes: {{min_visibility: 0, min_size: 0}}}}
""".replace("source/''", "source")
    )
    return file


def test_a_partner_whose_boxes_are_others(tmp_path: Path) -> None:
    file = with_targets(tmp_path, masks=False)
    serial(file, "mixed", tmp_path / "out")
    assert verify(tmp_path / "out", None)["problems"] == []
    coco = json.loads((tmp_path / "source/boxes.json").read_text())
    coco["annotations"][2]["bbox"] = [0, 0, 60, 40]
    (tmp_path / "source/boxes.json").write_text(json.dumps(coco))
    assert serial(file, "mixed", tmp_path / "out").made > 1
    serial(file, "mixed", tmp_path / "fresh")
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


def test_boxes_and_masks_say_where_the_squares_are_in_mixtures(tmp_path: Path) -> None:
    """What is white is in a box and of class 1, what is gray padding is of none: through mixing, and flips after it."""
    for masks in (False, True):
        file = with_targets(tmp_path / str(masks), masks)
        serial(file, "mixed", tmp_path / str(masks) / "out")
        rows = list(pq.read_table(tmp_path / str(masks) / "out/data").to_pylist())
        assert sum(bool(parents(row)) for row in rows) == 24
        for row in rows:
            pixels = cv2.imdecode(np.frombuffer(row["image"]["bytes"], np.uint8), 0).astype(int)
            white, gray, dark = pixels > 250, abs(pixels - 128) < 3, pixels < 40
            if masks:
                mask = cv2.imdecode(np.frombuffer(row["mask"]["bytes"], np.uint8), 0)
                assert (mask[white] == 1).mean() > 0.98
                assert (mask[dark] == 0).mean() > 0.98
                assert (mask[gray] == 9).mean() > 0.9  # the squares' edges have its gray too
            else:
                inside = np.zeros(pixels.shape, dtype=bool)
                for x, y, width, height in (one["bbox"] for one in row["objects"]):
                    inside[int(y) : int(np.ceil(y + height)), int(x) : int(np.ceil(x + width))] = True
                assert inside[white].all()
    assert verify(tmp_path / "True" / "out", None)["problems"] == []


def test_mixup_of_masks_is_a_mistake_before_anything_is_made(tmp_path: Path) -> None:
    file = with_targets(tmp_path, masks=True)
    file.write_text(file.read_text().replace("[cutmix, mosaic]", "[cutmix, mixup]"))
    with pytest.raises(RequestError, match="mixup cannot blend masks"):
        serial(file, "mixed", tmp_path / "out")


def test_plan_says_that_an_image_is_to_be_mixed_with_others(collection: Collection) -> None:
    deleted(collection)
    graph = build(read(collection.folder / "pipelines.yaml").pipeline("mixed"))
    with foreseen(
        lambda spill: Run.start(graph, graph.spec.source, Store(collection.folder / "out"), spill=spill)
    ) as run:
        why = {one["why"]: one["sources"] for one in explained(run)["read"]}
    assert list(why) == ["to be mixed with others than before"] and why["to be mixed with others than before"] > 1


def test_looking_without_a_run_shows_the_mixtures_that_a_run_makes(untouched: Collection) -> None:
    graph = build(read(untouched.folder / "pipelines.yaml").pipeline("mixed"))
    run = Run.start(graph, graph.spec.source, Store(untouched.folder / "not_there"))
    ring, looker = run.ring("all"), Looker(run.job)
    assert ring is not None
    source = run.listing.leaf("all").slice(0, 1).to_pylist()[0]
    looker.near = ring.near(0)
    course = looker.look(source).course
    assert course is not None
    copies = course.rows("augment")
    rows = {row["id"]: row for row in untouched.rows() if row["source"]["uri"] == source["uri"]}
    assert {row["id"][20:] for row in rows.values()} == set(copies)
    for name, row in rows.items():
        stored = cv2.imdecode(np.frombuffer(row["image"]["bytes"], np.uint8), cv2.IMREAD_COLOR_RGB)
        assert np.array_equal(copies[name[20:]].picture(), stored)


def test_an_image_that_killed_its_process_is_mixed_in_once_it_can_be_read(
    tmp_path: Path, untouched: Collection
) -> None:
    collection, uri = Collection(tmp_path), untouched.ring()[3]
    graph, store = build(read(tmp_path / "pipelines.yaml").pipeline("mixed")), Store(tmp_path / "out")
    with store.locked():
        run = Run.start(graph, graph.spec.source, store)
        unit = next(run.missing(1))
        place = unit.sources.column("uri").to_pylist().index(uri)
        reject_unread(unit.part("", place, place + 1), run.job, "crashed", "its process was killed")
        run.listing.close()
    ran = collection.run()
    assert ran.version["counts"]["reasons"] == {"crashed": 1}
    assert all(uri not in [one["uri"] for one in parents(row)] for row in collection.rows())
    collection.same_as_fresh()
    assert any(uri in [one["uri"] for one in parents(row)] for row in collection.rows())
