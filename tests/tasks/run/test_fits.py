"""Fitted steps in a run: fitted on what is kept of train, pinned in the version, applied in a second pass."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.errors import ImagemillError
from tasks.pipeline.graph import build
from tasks.pipeline.mistakes import SpecError
from tasks.pipeline.spec import read
from tasks.run import todo
from tasks.run.fits import borrowed
from tasks.run.make import make
from tasks.run.run import Run
from tasks.run.verify import verify
from tasks.store.dataset import open_dataset
from tasks.store.local import Store
from tasks.store.staging import Staged
from tests.tasks.run.serial import Ran, files, serial

PIPELINE = """
version: 1
pipelines:
  small:
    source: {{path: images}}
    steps:
      - dark: {{below: 0.2}}
      - deduplicate: {{method: exact}}
      - split: {{train: 0.6, test: 0.4}}
      - resize: {{size: [{side}, 12]}}
      - convert_color: {{space: rgb}}
        id: square
      - augment: {{copies: 1, transforms: [hflip, gamma: {{gamma: [0.7, 1.4]}}]}}
        id: augmented
        where: {{split: train}}
      - normalize: {{{normalize}}}
    outputs:
      tensors: {{from: normalize}}
      images: {{from: square, encode: {{format: png}}}}
"""


class Collection:
    """A folder of small images, one of them dark, two of them equal, one broken, and a pipeline over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = folder / "images"
        self.images.mkdir()
        for i in range(14):
            self.add(f"{i:02}", i)
        (self.images / "same.png").write_bytes((self.images / "03.png").read_bytes())
        (self.images / "broken.png").write_bytes((self.images / "04.png").read_bytes()[:300])
        cv2.imwrite(str(self.images / "dark.png"), np.full((20, 30, 3), 3, np.uint8))
        self.write()

    def add(self, name: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        pixels = rng.integers(seed * 4, 120 + seed * 4, (20 + seed, 30, 3), dtype=np.uint8)
        cv2.imwrite(str(self.images / f"{name}.png"), pixels)

    def write(self, normalize: str = "statistics: fitted", side: int = 16, text: str = PIPELINE) -> None:
        (self.folder / "pipelines.yaml").write_text(text.format(normalize=normalize, side=side))

    def run(self, output: str, **options: Any) -> Ran:
        return serial(self.folder / "pipelines.yaml", "small", self.folder / output, **options)

    def files(self, output: str) -> dict[str, str]:
        return files(self.folder / output)

    def start(self, output: str) -> Run:
        graph = build(read(self.folder / "pipelines.yaml").pipeline("small"))
        run = Run.start(graph, graph.spec.source, Store(self.folder / output))
        run.resume()
        return run

    def refused(self) -> str:
        with pytest.raises(SpecError) as caught:
            borrowed(build(read(self.folder / "pipelines.yaml").pipeline("small")))
        return str(caught.value)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(tmp_path)


def decoded(row: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(cv2.imdecode(np.frombuffer(row["image"]["bytes"], np.uint8), 1))[:, :, ::-1]


def train_pixels(output: Path) -> np.ndarray[Any, Any]:
    """All pixels of the kept originals of train, from the output before the fitted step."""
    rows = pq.read_table(output / "images").to_pylist()
    kept = [decoded(row).reshape(-1, 3) for row in rows if row["split"] == "train"]
    return np.concatenate(kept).astype(np.float64) / 255


def test_what_is_fitted_is_numpys_over_all_kept_train_pixels(collection: Collection) -> None:
    ran = collection.run("a")
    pixels, fit = train_pixels(collection.folder / "a"), ran.version["fits"]["normalize"]
    assert fit["images"] == ran.version["counts"]["rows"]["images"]["train"] < 14
    assert np.allclose(fit["values"]["mean"], pixels.mean(axis=0), rtol=1e-12, atol=0)
    assert np.allclose(fit["values"]["std"], pixels.std(axis=0), rtol=1e-12, atol=0)
    assert open_dataset(collection.folder / "a").fits == ran.version["fits"]


def test_rows_are_normalized_by_what_was_fitted(collection: Collection) -> None:
    values = collection.run("a").version["fits"]["normalize"]["values"]
    images = {row["id"]: decoded(row) for row in pq.read_table(collection.folder / "a" / "images").to_pylist()}
    tensors = [row for row in pq.read_table(collection.folder / "a" / "data").to_pylist() if row["copy"] == 0]
    assert len(tensors) == len(images)
    for row in tensors:
        image = images[row["id"]]
        wanted = (image / 255 - values["mean"]) / values["std"]
        assert np.allclose(np.array(row["pixels"]).reshape(image.shape), wanted, atol=1e-5)


def test_the_first_pass_makes_all_that_does_not_depend_on_the_fit(collection: Collection) -> None:
    with Store(collection.folder / "a").locked():
        run = collection.start("a")
        run.absorb(make(unit, run.job).path for unit in run.missing(2))
        first = [one for one, _ in run.staged]
        run.decide()
        run.fit()
        run.absorb(make(unit, run.job).path for unit in run.missing_again(2))
        second = [one for one, _ in run.staged if one not in first]
        run.listing.close()

    def rows(staged: list[Staged], output: str) -> int:
        return sum(one.table(f"rows.{output}").num_rows for one in staged)

    assert (rows(first, "images"), rows(first, "tensors")) == (15, 0)
    assert rows(second, "images") == 0 < rows(second, "tensors")


def test_every_source_is_kept_or_rejected_also_in_two_passes(collection: Collection) -> None:
    counts = collection.run("a").version["counts"]
    assert counts["listed"] == 17 == counts["kept"] + counts["rejected"]
    assert counts["reasons"] == {"dark": 1, "duplicate": 1, "truncated": 1}


def test_units_and_their_order_decide_no_byte_of_what_is_fitted(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.run("a")
    monkeypatch.setattr(todo, "UNIT_SOURCES", 2)
    monkeypatch.setattr(todo, "LEAST_SOURCES", 2)
    ran = collection.run("b", order=lambda units: random.Random(5).sample(units, len(units)))
    assert ran.version["fits"] == open_dataset(collection.folder / "a").version["fits"]
    assert collection.files("a") == collection.files("b")


def test_an_unchanged_run_fits_and_makes_nothing(collection: Collection) -> None:
    collection.run("a")
    again = collection.run("a")
    assert (again.made, again.again, again.sealed, again.committed) == (0, 0, [], False)


def test_a_new_image_keeps_what_is_pinned_and_is_made_alone(collection: Collection) -> None:
    before = collection.run("a").version["fits"]
    collection.add("new", 30)
    added = collection.run("a")
    assert (added.made, added.again, added.version["fits"]) == (1, 0, before)


def test_incremental_is_fresh_with_the_same_pins(collection: Collection) -> None:
    collection.run("a")
    collection.run("pinned")
    collection.add("new", 30)
    collection.run("a")
    collection.write("statistics: pinned")
    ran = collection.run("b")
    assert ran.version["fits"]["normalize"]["dataset"] == str(collection.folder / "pinned")
    assert collection.files("a") == collection.files("b")


def test_refit_gives_the_bytes_of_a_fresh_run(collection: Collection) -> None:
    before = collection.run("a").version["fits"]
    for seed in range(30, 34):
        collection.add(f"new{seed}", seed)
    collection.run("a")
    refitted = collection.run("a", refit=True)
    assert refitted.version["fits"] != before
    assert not any(path.startswith("images") for path in refitted.sealed), "what does not depend on it stays"
    collection.run("b")
    assert collection.files("a") == collection.files("b")
    again = collection.run("a", refit=True)
    assert not again.committed, "a refit to the same values is no news"


def test_a_changed_image_is_made_again_where_a_refit_changes_nothing(collection: Collection) -> None:
    collection.run("a")
    rows = pq.read_table(collection.folder / "a" / "images").to_pylist()
    changed = next(row["source"]["uri"] for row in rows if row["split"] == "test")
    collection.add(Path(changed).stem, 30)
    ran = collection.run("a", refit=True)
    assert any(path.startswith("data/test") for path in ran.sealed)
    collection.run("b")
    assert collection.files("a") == collection.files("b")


def test_a_changed_step_before_it_fits_again(collection: Collection) -> None:
    before = collection.run("a").version["fits"]["normalize"]
    collection.write(side=10)
    after = collection.run("a").version["fits"]["normalize"]
    assert after["values"] != before["values"]
    collection.run("b")
    assert collection.files("a") == collection.files("b")


@pytest.mark.parametrize("killed_after", ["the first pass", "the second pass"])
def test_a_killed_run_makes_nothing_twice(collection: Collection, killed_after: str) -> None:
    with Store(collection.folder / "a").locked():
        run = collection.start("a")
        run.absorb(make(unit, run.job).path for unit in run.missing(2))
        if killed_after == "the second pass":
            run.decide()
            run.fit()
            run.absorb(make(unit, run.job).path for unit in run.missing_again(2))
        run.listing.close()
    resumed = collection.run("a")
    assert resumed.made == 0
    assert (resumed.again == 0) == (killed_after == "the second pass")
    collection.run("b")
    assert collection.files("a") == collection.files("b")


def test_every_row_is_made_again_with_the_pinned_fit(collection: Collection) -> None:
    collection.run("a")
    collection.add("new", 30)
    collection.run("a")
    found = verify(collection.folder / "a", None)
    assert found["problems"] == [] and found["replayed"] == found["rows"] > 20


@pytest.mark.parametrize("method", ["percentile", "histogram"])
def test_percentiles_and_histograms_are_fitted_too(collection: Collection, method: str) -> None:
    collection.write(f"method: {method}, statistics: fitted")
    values = collection.run("a").version["fits"]["normalize"]["values"]
    pixels = train_pixels(collection.folder / "a")
    if method == "percentile":
        low, high = np.percentile(pixels, (0.5, 99.5), axis=0)
        assert np.allclose(values["low"], low, rtol=1e-12) and np.allclose(values["high"], high, rtol=1e-12)
    else:
        assert np.shape(values["landmarks"]) == (3, 13)
    assert verify(collection.folder / "a", None)["problems"] == []


PICKY = '''
from tasks.errors import Rejected
from tasks.operation import Filter


class Picky(Filter):
    """Take no image whose mean is above a limit."""

    limit: float

    def filter(self, pixels, **params):
        if abs(float(pixels.mean())) > self.limit:
            raise Rejected("far", "far from the others")
        return pixels
'''


@pytest.mark.parametrize(("where", "limit"), [("before", 100), ("after", 0.5)])
@pytest.mark.parametrize("beside", [True, False])
def test_what_fails_around_a_fit_is_rejected_or_stays_in_outputs_beside_it(
    collection: Collection, where: str, limit: float, beside: bool
) -> None:
    (collection.folder / "picky.py").write_text(PICKY)
    picky = f"      - picky: {{{{limit: {limit}}}}}\n        use: picky:Picky\n"
    fit = "      - normalize: {{{normalize}}}\n"
    text = PIPELINE.partition("      - augment")[0] + (picky + fit if where == "before" else fit + picky)
    text += f"    outputs:\n      tensors: {{{{from: {'normalize' if where == 'before' else 'picky'}}}}}\n"
    collection.write(text=text + ("      images: {{from: square, encode: {{format: png}}}}\n" if beside else ""))
    ran = collection.run("a")
    counts, tensors = ran.version["counts"], pq.read_table(collection.folder / "a" / "data")
    assert 0 < tensors.num_rows < 14
    assert counts["kept"] == (14 if beside else tensors.num_rows)
    assert ("far" in counts["reasons"]) == (not beside)
    assert verify(collection.folder / "a", None)["problems"] == []
    again = collection.run("a")
    assert (again.made, again.again, again.committed) == (0, 0, False)
    collection.run("b", fresh=True)
    assert collection.files("a") == collection.files("b")


def test_a_dataset_without_such_a_fit_is_refused_at_its_line(collection: Collection) -> None:
    collection.write("statistics: nowhere")
    assert "pipelines.yaml:16" in collection.refused() and "is no imagemill dataset" in collection.refused()
    collection.write("statistics: imagenet")
    collection.run("other")
    collection.write("statistics: other")
    assert "other, version 1: its steps have no fit of normalize" in collection.refused()


def test_a_dataset_with_other_channels_or_another_method_is_refused(collection: Collection) -> None:
    collection.run("rgb")
    collection.write("statistics: rgb", text=PIPELINE.replace("space: rgb", "space: gray"))
    assert "the statistics are of 3 channels, the images have 1" in collection.refused()
    collection.write("method: percentile, statistics: rgb")
    assert "method: percentile takes low and high, got mean and std" in collection.refused()


def test_a_borrowed_fit_is_pinned_until_a_refit(collection: Collection) -> None:
    lent = collection.run("lender").version["fits"]["normalize"]["values"]
    collection.write("statistics: lender")
    assert collection.run("own").version["fits"]["normalize"]["values"] == lent
    collection.write()
    for seed in range(14, 20):
        collection.add(f"{seed}", seed)
    assert collection.run("lender", refit=True).version["fits"]["normalize"]["values"] != lent
    collection.write("statistics: lender")
    second = collection.run("own")
    assert second.made == 6 and second.version["fits"]["normalize"]["values"] == lent
    (collection.folder / "lender").rename(collection.folder / "moved")
    assert not collection.run("own").committed
    assert verify(collection.folder / "own", None)["problems"] == []
    (collection.folder / "moved").rename(collection.folder / "lender")
    third = collection.run("own", refit=True)
    assert third.version["fits"]["normalize"]["values"] != lent


def test_a_dataset_at_a_url_is_asked_for_there(collection: Collection) -> None:
    collection.write("statistics: 'memory://lenders/none'")
    assert "normalize: memory://lenders/none is no imagemill dataset" in collection.refused()


@pytest.mark.parametrize("step", ["balance: {ratio: 1}", "balance: {by: weight}", "odd_size: {}"])
@pytest.mark.parametrize("fit", ["normalize: {statistics: fitted}", "macenko: {target: fitted}"])
def test_what_decides_on_the_listing_may_come_after_a_fitted_step(collection: Collection, fit: str, step: str) -> None:
    for name in ("00", "01", "02"):
        (collection.images / "few").mkdir(exist_ok=True)
        (collection.images / f"{name}.png").rename(collection.images / "few" / f"{name}.png")
    (collection.images / "many").mkdir()
    for path in collection.images.glob("*.png"):
        path.rename(collection.images / "many" / path.name)
    before = PIPELINE.format(side=16, normalize="").partition("      - augment")[0]
    text = before + f"      - {fit}\n      - {step}\n        id: last\n    outputs: {{images: {{from: last}}}}\n"
    (collection.folder / "pipelines.yaml").write_text(text)
    ran = collection.run("a")
    assert ("too_many_of_class" in ran.version["counts"]["reasons"]) == ("ratio" in step)
    assert verify(collection.folder / "a", None)["problems"] == []


def test_no_train_image_is_a_clear_error(collection: Collection) -> None:
    collection.write(text=PIPELINE.replace("train: 0.6, test: 0.4", "train: 0, test: 1"))
    with pytest.raises((ImagemillError, SpecError), match="train"):
        collection.run("a")


FEATURES = """
version: 1
pipelines:
  small:
    source: {{path: images}}
    steps:
      - split: {{train: 0.6, test: 0.4}}
      - convert_color: {{space: rgb}}
      - resize: {{size: [{side}, {side}]}}
        id: square
      - color_moments
      - pca: {{of: color_moments, components: 3, {normalize}}}
        id: main
      - reinhard: {{target: fitted}}
        needs: square
      - macenko: {{target: fitted}}
        needs: square
    outputs:
      features: {{from: main}}
      colours: {{from: reinhard, encode: {{format: png}}}}
      stains: {{from: macenko, encode: {{format: png}}}}
"""


def test_components_and_colours_are_fitted_and_made_again_to_the_same_bytes(collection: Collection) -> None:
    collection.write("whiten: true", text=FEATURES)
    fits = collection.run("a").version["fits"]
    assert set(fits) == {"main", "reinhard", "macenko"}
    table = pq.read_table(collection.folder / "a" / "data", columns=["split", "color_moments", "main"])
    train = [row for row in table.to_pylist() if row["split"] == "train"]
    components = np.array([row["main"] for row in train])
    assert fits["main"]["images"] == len(train)
    assert np.allclose(components.mean(axis=0), 0, atol=1e-4)
    assert np.allclose(np.cov(components.T), np.eye(3), atol=1e-3)
    assert verify(collection.folder / "a", None)["problems"] == []
    collection.run("b")
    assert collection.files("a") == collection.files("b")
