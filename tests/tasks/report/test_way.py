"""The page of a trace shows the picture after every step of a row's own way, or says why there is none."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.report.way import page, write_way
from tasks.run.trace import trace
from tests.tasks.report.test_report import Page
from tests.tasks.run.test_run import Collection


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    collection = Collection(tmp_path_factory.mktemp("way"))
    (collection.source / "photos" / "coffee.jpg").rename(collection.source / "photos" / "<b>&coffee.jpg")
    collection.run("a")
    return collection


def shown(collection: Collection, name: str) -> Page:
    return Page(page(collection.folder / "a", trace(collection.folder / "a", name)))


def pictures(html: Page) -> dict[str, Image.Image]:
    found = {}
    for image in html.all("img"):
        kind, _, data = (image["src"] or "").partition(",")
        assert kind == "data:image/webp;base64"
        found[image["alt"] or ""] = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    return found


def test_the_last_picture_on_the_way_is_the_one_that_is_stored(collection: Collection) -> None:
    rows = pq.read_table(collection.folder / "a" / "data", columns=["id", "image"]).to_pylist()
    row = next(row for row in rows if row["id"].endswith(".augmented:2"))
    html = shown(collection, row["id"])
    made = pictures(html)
    assert [name.partition(" after ")[2] for name in made if name.startswith(f"{row['id']} ")] == [
        *("source", "convert_dtype", "convert_color", "square", "augmented")
    ]
    stored = Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
    last = made[f"{row['id']} after augmented"].resize(stored.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(last, np.float32) - np.asarray(stored, np.float32)).mean() < 8
    original = made[f"{row['id'].partition('.')[0]} after augmented"].resize(stored.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(original, np.float32) - np.asarray(stored, np.float32)).mean() > 8
    assert html.text.count("Replay: made again to the same bytes.") == 4
    assert "augmented/rotate" in html.text


def test_a_rejected_image_is_shown_as_far_as_it_came(collection: Collection) -> None:
    html = shown(collection, "photos/poor_dark.jpg")
    assert "Rejected at screen: dark" in html.text
    assert list(pictures(html)) == ["photos/poor_dark.jpg after source"]
    html = shown(collection, "photos/broken_text.jpg")
    assert "not_an_image" in html.text
    assert "There is no picture of what cannot be decoded." in html.text


def test_names_are_only_text_and_nothing_is_fetched(collection: Collection) -> None:
    html = shown(collection, "photos/<b>&coffee.jpg")
    assert html.all("h1") and "photos/<b>&coffee.jpg" in html.text
    assert html.all("b") == [] and html.all("script") == []
    (policy,) = [meta["content"] for meta in html.all("meta") if meta.get("http-equiv")]
    assert (policy or "").startswith("default-src 'none'; img-src data:;")


def test_a_source_that_has_changed_leaves_what_is_stored(collection: Collection, tmp_path: Path) -> None:
    row = pq.read_table(collection.folder / "a" / "data", columns=["id", "source"]).to_pylist()[0]
    source = collection.source / row["source"]["uri"]
    data = source.read_bytes()
    source.write_bytes(data + b"\0")
    try:
        write_way(collection.folder / "a", trace(collection.folder / "a", row["id"]), tmp_path / "way.html")
    finally:
        source.write_bytes(data)
    html = Page((tmp_path / "way.html").read_text("utf-8"))
    assert "Replay: the source has changed since the row was made." in html.text
    assert all(name.endswith(" as stored") for name in pictures(html))
    assert pictures(html)
