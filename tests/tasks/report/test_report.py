"""The page is read as a browser reads it: by its elements. How it looks and behaves is for a browser to test."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import RequestError
from tasks.report.dag import OUTPUT, SOURCE, draw
from tasks.report.page import write_report
from tasks.report.statistics import Measure, Statistics, Threshold, thresholds
from tests.tasks.run.serial import serial
from tests.tasks.store.builder import FEATURES, PIPELINE, TENSORS, Builder, Kept, Lost, usual

ROOT = Path(__file__).parents[3]
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> &amp; {{ 7*7 }} ]]> --> \u2028é🐈.jpg"


class Page(HTMLParser):
    """What is in a page: its elements, the text of all, and of each script and style."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.within = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.within = tag
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self.within = ""

    def handle_data(self, data: str) -> None:
        if self.within in self.raw:
            self.raw[self.within][-1] += data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def told(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.raw["script"][0])
        return loaded


def reported(root: Path) -> Page:
    path = Path(write_report(root))
    assert path == root / "report.html"
    return Page(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a dataset of 40 images."""
    root = tmp_path_factory.mktemp("report") / "one"
    usual(root)
    return reported(root)


def test_the_sum_is_stated_and_checked(page: Page) -> None:
    assert "40 listed = 35 kept + 5 rejected" in page.text
    assert "The tables that this version names say the same" in page.text


def test_a_sum_that_the_tables_deny_is_called_out(tmp_path: Path) -> None:
    builder, version = usual(tmp_path / "one")
    wrong = {**version, "version": 2, "counts": {**version["counts"], "listed": 41, "kept": 36}}
    Statistics.of(builder.root).store.commit(wrong)
    assert "do not add up" in reported(builder.root).text


def test_the_page_needs_nothing_but_itself(page: Page) -> None:
    for tag, attrs in page.elements:
        assert "style" not in attrs and not any(name.startswith("on") for name in attrs), tag
        for name in ("src", "href", "xlink:href"):
            assert (attrs.get(name) or "data:").startswith(("data:", "#")), (tag, attrs)
    assert not page.all("link") and not page.all("iframe")
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page.html)
    assert "http://" not in without_names and "https://" not in without_names


def test_the_policy_allows_only_our_own_style_and_script(page: Page) -> None:
    policy = next(m["content"] or "" for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    data, *_, script = page.raw["script"]
    for kind, text in (("style", page.raw["style"][0]), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert json.loads(data)


def test_hostile_names_are_only_ever_text(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "one", classes=(HOSTILE, "b"), categories=(HOSTILE,))
    kept = [Kept(HOSTILE, HOSTILE, boxes=[((1, 2, 3, 4), HOSTILE)]), Kept("b", "b", split="test")]
    lost = [Lost("x" + HOSTILE, HOSTILE, HOSTILE, HOSTILE, keeper=HOSTILE)]
    version = builder.version(kept, lost)
    pipeline = {**version["pipeline"], "description": HOSTILE}
    Statistics.of(builder.root).store.commit({**version, "version": 2, "pipeline": pipeline, "source": HOSTILE})
    page = reported(builder.root)
    assert len(page.raw["script"]) == 2 and len(page.raw["style"]) == 1
    assert all("onerror" not in attrs for _, attrs in page.elements)
    assert all((image["src"] or "").startswith("data:image/webp;base64,") for image in page.all("img"))
    assert any(one["source"]["uri"] == HOSTILE for one in page.told.values())
    assert page.text.count("<script>alert(1)") > 5 and "{{ 7*7 }}" in page.text


def test_limits_are_drawn_where_the_pipeline_sets_them(page: Page) -> None:
    labels = [attrs.get("aria-label") or "" for attrs in page.all("svg")]
    assert any("Distribution of blurry over 40 images" in one and "5 are below the limit 0.62" in one for one in labels)
    assert any("Distribution of min_size_width" in one and "below the limit 64" in one for one in labels)


def test_a_bare_screen_has_the_limits_of_its_checks() -> None:
    found = thresholds([{"screen": {}, "id": "screen", "needs": []}])
    assert found["blurry"] == Threshold(0.62, "below")
    assert set(found) == {"dark", "light", "blurry", "low_information"}


def test_limits_stand_at_the_columns_of_their_steps() -> None:
    steps = [
        {"screen": {"checks": [{"dark": {"below": 0.2}, "id": "night"}]}, "id": "look"},
        {"min_size": {"size": [64, 48]}, "id": "big"},
        {"blurry": {}, "id": "sharp"},
        {"my_own": {"above": 3}, "id": "mine"},
        {"clipped": {"above": 0.25}, "id": "clipped"},
        {"resize": {"size": [8, 8]}, "id": "small"},
    ]
    assert thresholds(steps) == {
        "look_night": Threshold(0.2, "below"),
        "big_width": Threshold(64, "below"),
        "big_height": Threshold(48, "below"),
        "sharp": Threshold(0.62, "below"),
        "mine": Threshold(3, "above"),
        "clipped_black": Threshold(0.25, "above"),
        "clipped_white": Threshold(0.25, "above"),
    }


def test_bars_and_quantiles_count_every_value() -> None:
    import numpy as np

    measure = Measure("score", 0.0, 1.0, Threshold(0.5, "below"))
    measure.add(np.linspace(0, 1, 1001))
    assert sum(n for _, _, n, _ in measure.bars()) == measure.measured == 1001
    assert sum(bad for _, _, _, bad in measure.bars()) == measure.beyond == 500
    assert measure.quantile(0.05) == pytest.approx(0.05, abs=1e-3)


def test_rejects_stand_with_measure_limit_and_keeper(page: Page) -> None:
    text = page.text
    assert "bad/0.jpg screen blur score 0.31 is below 0.62 0.31 0.62" in text
    assert "copy.jpg deduplicate the same bytes as cat/0001.jpg 0 0 cat/0001.jpg" in text


def test_a_part_of_the_rejects_is_called_a_sample(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "one")
    builder.version([Kept("a.jpg")], [Lost(f"{i}.jpg") for i in range(60)])
    page = reported(builder.root)
    assert "A sample of 50: 10 more images are not shown" in page.text
    assert sum("blur score" in text for text in page.texts) == 50


def test_a_part_of_the_kept_is_called_a_sample(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "one")
    splits = ("train", "test", "validation")
    builder.version([Kept(f"{i}.jpg", split=splits[i % 3]) for i in range(90)])
    page = reported(builder.root)
    assert "A sample: 48 of 90 kept sources" in page.text
    assert {one["split"] for one in page.told.values()} == set(splits)


def test_all_samples_are_shown_where_they_are_few(page: Page) -> None:
    assert "All 35 kept sources" in page.text
    assert len({one["source"]["uri"] for one in page.told.values()}) == 35


def test_every_copy_of_two_sources_stands_side_by_side(page: Page) -> None:
    assert page.text.count("original copy 1 copy 2") == 2
    assert len(page.all("img")) == 35 + 2 * 3
    lineage = [one["lineage"] for one in page.told.values() if one["copy"] == 1]
    assert lineage[0][1] == {"step": "augmented/hflip", "operation": "hflip", "params": {"n": 1}}


def test_no_more_than_24_copies_are_shown(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "one", PIPELINE.replace("copies: 2", "copies: 40"), copies=40)
    builder.version([Kept("a.jpg")])
    page = reported(builder.root)
    assert "17 more copies are not shown" in page.text
    assert "copy 23" in page.text and "copy 24" not in page.text


def test_a_dataset_of_40_images_makes_a_small_page(page: Page) -> None:
    assert len(page.html.encode()) < 1_500_000


@pytest.mark.parametrize("pipeline", [PIPELINE, TENSORS, FEATURES])
def test_a_dataset_of_which_all_was_rejected_has_a_page(tmp_path: Path, pipeline: str) -> None:
    builder = Builder(tmp_path / "one", pipeline, classes=("a",))
    builder.version([], [Lost("a.jpg"), Lost("b.jpg")])
    page = reported(builder.root)
    assert "2 listed = 0 kept + 2 rejected" in page.text
    assert "No output has any rows." in page.text
    assert not page.all("img")


def test_an_empty_source_has_a_page(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "one")
    builder.version([])
    assert "No image was rejected." in reported(builder.root).text


def test_features_alone_have_a_page_without_pictures(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "one", FEATURES)
    builder.version([Kept("a.jpg")])
    page = reported(builder.root)
    assert not page.all("img") and "Kept samples" not in page.text


def test_tensors_are_stretched_and_the_page_says_so(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "one", TENSORS)
    builder.version([Kept("a.jpg"), Kept("b.jpg", split="test")])
    page = reported(builder.root)
    assert len(page.all("img")) == 2
    assert "Values are stretched from each image's least to its greatest." in page.text


def test_a_picture_that_cannot_be_decoded_does_not_stop_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.tasks.store.builder.picture", lambda uri, copy=0: b"\x89PNG broken")
    builder = Builder(tmp_path / "one")
    builder.version([Kept("a.jpg", split="test")])
    assert "a.jpg: cannot be decoded" in reported(builder.root).text


def test_boxes_are_told_and_counted(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "one", categories=("face", "hand"))
    builder.version([Kept("a.jpg", split="test", boxes=[((1, 2, 30, 20), "hand"), ((5, 6, 0, 0), "face")])])
    page = reported(builder.root)
    assert next(iter(page.told.values()))["objects"][0] == {"category": "hand", "bbox": [1.0, 2.0, 30.0, 20.0]}
    assert "Boxes by category" in page.text and "The source names no classes." in page.text


def test_the_history_has_every_version(tmp_path: Path) -> None:
    builder, _ = usual(tmp_path / "one")
    builder.version([Kept("cat/0001.jpg", "cat")], created="2026-11-25T10:00:00+00:00")
    page = reported(builder.root)
    assert "2 2026-11-25 10:00:00+00:00 1 1 0 3 1 1 2026-11-24 09:00:00+00:00 40 35 5 93 35" in page.text


def test_without_a_version_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="run its pipeline first"):
        write_report(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    builder, version = usual(tmp_path / "one")
    gone = builder.root / ".imagemill" / version["measures"][0]["object"]
    gone.unlink()
    with pytest.raises(RequestError, match=gone.name):
        write_report(builder.root)


def test_the_same_version_makes_the_same_page(tmp_path: Path) -> None:
    usual(tmp_path / "one")
    first = Path(write_report(tmp_path / "one")).read_bytes()
    assert Path(write_report(tmp_path / "one")).read_bytes() == first


def test_the_drawing_counts_what_it_can_know(tmp_path: Path) -> None:
    builder, version = usual(tmp_path / "one")
    drawing = draw(version, Statistics.of(builder.root).lost)
    known = {(e.path[0].name, e.path[-1].name): e.images for e in drawing.edges}
    assert known[SOURCE, "screen"] == 40
    assert known["screen", "deduplicate"] == 36
    assert known["square", "augmented"] == known["square", "descriptors"] == 35
    assert known["augmented", f"{OUTPUT}images"] == 93


def test_no_two_boxes_of_the_drawing_overlap(tmp_path: Path) -> None:
    steps = [
        {"resize": {"size": 8}, "id": "a", "needs": []},
        *({"grayscale": {}, "id": f"b{i}", "needs": ["a"]} for i in range(4)),
        {"grayscale": {}, "id": "c", "needs": ["b0", "b1", "a"]},
        {"grayscale": {}, "id": "d", "needs": ["b3", "c"]},
    ]
    outputs = [{"name": "images", "from": ["d"]}, {"name": "others", "from": ["b2", "a"]}]
    version = {"pipeline": {"steps": steps, "outputs": outputs}, "counts": {"listed": 1, "rows": {}}}
    drawing = draw(version, {})
    places = sorted((node.layer, node.place) for node in drawing.nodes)
    assert all(a[0] != b[0] or b[1] - a[1] >= 0.999 for a, b in pairwise(places))
    assert min(place for _, place in places) >= 0
    assert "a to c" in drawing.spoken


def test_a_real_run_has_a_page(tmp_path: Path) -> None:
    ran = serial(ROOT / "pipelines.yaml", "detection", tmp_path / "one")
    page = reported(tmp_path / "one")
    assert "14 listed = 13 kept + 1 rejected" in page.text
    assert len({one["id"] for one in page.told.values()}) >= ran.version["counts"]["kept"]
    assert any(step["operation"] == "rotate" for one in page.told.values() for step in one["lineage"])
