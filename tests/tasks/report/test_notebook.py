"""What a notebook shows."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import imagemill
from tests.tasks.store.builder import FEATURES, Builder, Kept, Lost, usual

ROOT = Path(__file__).parents[3]
HOSTILE = "<img src=x onerror=alert(1)>\"'"


def text(html: str) -> str:
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_data = found.append  # type: ignore[method-assign]
    parser.feed(html)
    return " ".join(" ".join(found).split())


def test_a_dataset_shows_its_sum_its_splits_and_a_strip_of_images(tmp_path: Path) -> None:
    usual(tmp_path / "one")
    shown = imagemill.open(tmp_path / "one")._repr_html_()
    assert "40 listed = 35 kept + 5 rejected" in text(shown)
    assert "rows train validation test images 87 3 3" in text(shown)
    assert "rejected images blurry 4 duplicate 1" in text(shown)
    assert shown.count('<img src="data:image/webp;base64,') == 10


def test_names_are_only_ever_text(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "one", classes=("a",))
    builder.version([Kept(HOSTILE, "a")], [Lost("b.jpg", reason=HOSTILE)])
    shown = imagemill.open(tmp_path / "one")._repr_html_()
    assert HOSTILE not in shown and "<img src=x" not in shown
    assert HOSTILE in text(shown)


def test_a_dataset_of_features_alone_has_no_images(tmp_path: Path) -> None:
    Builder(tmp_path / "one", FEATURES).version([Kept("a.jpg")])
    assert "<img" not in imagemill.open(tmp_path / "one")._repr_html_()


def test_a_pipeline_shows_its_steps_and_outputs_and_draws_a_preview() -> None:
    found = imagemill.pipeline("quickstart", ROOT / "pipelines.yaml")
    shown = text(found._repr_html_())
    assert "augmented augment square split = train 256 x 256 3" in shown
    assert "features descriptors none" in shown
    assert found.preview(1, step="square").width >= 700
