"""The pictures beside the reasons on the run page."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tasks.load.source import SourceSpec, open_source
from tasks.report.strips import GAP, SIDE, strips
from tasks.store.local import Store
from tests.tasks.run.serial import serial

SAMPLE = Path(__file__).parents[3] / "data" / "sample" / "quickstart"
PIPELINE = """version: 1
pipelines:
  p:
    source: {path: photos}
    steps:
      - screen: {blurry: {below: 0.62}, dark: {below: 0.32}}
      - deduplicate: {method: exact}
      - resize: {size: 32}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strips")
    shutil.copytree(SAMPLE, folder / "photos")
    (folder / "pipelines.yaml").write_text(PIPELINE)
    serial(folder / "pipelines.yaml", "p", folder / "out")
    return folder


def test_each_reason_has_a_strip_of_its_images_and_what_cannot_be_decoded_has_none(folder: Path) -> None:
    store = Store(folder / "out")
    version = store.latest()
    assert version is not None
    reasons = version["counts"]["reasons"]
    made = strips(store, version, open_source(SourceSpec(path=str(folder / "photos"))))
    assert {"blurry", "dark", "duplicate"} <= set(made)
    assert not {"truncated", "empty", "not_an_image"} & set(made)
    for reason, uri in made.items():
        strip = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/webp;base64,"))))
        assert strip.height <= SIDE
        assert strip.width <= (SIDE + GAP) * min(reasons[reason], 5)


def test_a_source_that_is_gone_has_no_pictures_and_no_error(folder: Path, tmp_path: Path) -> None:
    store = Store(folder / "out")
    version = store.latest()
    assert version is not None
    assert strips(store, version, open_source(SourceSpec(path=str(tmp_path)))) == {}
