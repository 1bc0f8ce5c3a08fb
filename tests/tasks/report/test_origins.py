"""Pictures from the sources: of those that are there and unchanged, and an honest word about the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.report.origins import Origins
from tasks.report.page import write_report
from tasks.report.samples import Teller
from tasks.report.statistics import Statistics
from tests.tasks.report.test_report import Page, reported
from tests.tasks.run.serial import serial

SAMPLE = Path(__file__).parents[3] / "data" / "sample" / "quickstart" / "photos"
FILE = """
version: 1
pipelines:
  small:
    source: {path: images}
    steps:
      - screen: {blurry: {below: 0.55}, dark: {below: 0.32}}
      - deduplicate: {method: exact}
      - resize: {size: [32, 32], fit: crop}
      - augment: {copies: 3, transforms: [{rotate: {degrees: [-20, 20]}}]}
        id: augmented
"""


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of photographs with a blurred one, a dark one, a copy, and three that do not decode."""
    shutil.copytree(SAMPLE, tmp_path / "images")
    (tmp_path / "pipelines.yaml").write_text(FILE)
    serial(tmp_path / "pipelines.yaml", "small", tmp_path / "out")
    return tmp_path / "out"


def origins(root: Path) -> Origins:
    return Origins(Statistics.of(root))


def test_rejects_that_decode_are_pictured_and_those_that_do_not_are_not_read(dataset: Path) -> None:
    found = origins(dataset)
    rejects = found.rejects()
    assert set(rejects) == {"blurry", "dark", "duplicate"}
    assert all(shot.picture and shot.said for shots in rejects.values() for shot in shots)
    assert not found.missing


def test_a_group_is_the_keeper_and_those_it_was_kept_instead_of(dataset: Path) -> None:
    (group,) = origins(dataset).groups()
    assert group.keeper.picture and group.hidden == 0
    assert [member.picture for member in group.members] == [group.keeper.picture], "an exact copy"


def test_a_strip_shows_every_step_and_two_copies(dataset: Path) -> None:
    statistics = Statistics.of(dataset)
    strip = Origins(statistics).strips(Teller(statistics, "images").originals("train", 1))[0]
    assert [(shot.step, shot.new) for shot in strip.shots] == [
        ("source", True),
        ("resize", True),
        ("augmented", True),
        ("augmented", False),
        ("augmented", False),
    ]
    assert strip.shots[3].said.startswith("32 x 32; rotate ")


def test_changed_and_deleted_sources_get_no_picture_and_the_page_says_so(dataset: Path) -> None:
    images = dataset.parent / "images"
    (images / "poor_dark.jpg").unlink()
    shutil.copy(images / "coffee.jpg", images / "poor_blurred.jpg")
    found = origins(dataset)
    assert set(found.rejects()) == {"duplicate"}
    assert found.missing == (
        "Of the sources that were to be shown here, 1 is changed and 1 is gone by now: no picture."
    )
    assert "1 is changed and 1 is gone by now" in reported(dataset).text


def test_without_the_source_the_page_has_all_but_its_pictures(dataset: Path) -> None:
    whole = Page(Path(write_report(dataset)).read_text("utf-8"))
    shutil.rmtree(dataset.parent / "images")
    bare = reported(dataset)
    assert "Pictures of sources are missing:" in bare.text and "Step by step" not in bare.text
    assert "blur score" in bare.text
    assert 0 < len(bare.all("img")) < len(whole.all("img"))


def test_a_pipeline_that_cannot_be_thawed_does_not_stop_the_page(dataset: Path) -> None:
    statistics = Statistics.of(dataset)
    steps = [*statistics.steps, {"gone_op": {}, "id": "gone", "needs": ["augmented"], "use": "gone_ops:Gone"}]
    version = {**statistics.version, "version": 2, "pipeline": {**statistics.version["pipeline"], "steps": steps}}
    statistics.store.commit(version)
    assert "Pictures of sources are missing:" in reported(dataset).text


def test_what_ended_a_process_is_never_read_again(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.report.origins.RETRIED", frozenset({"dark", "blurry", "duplicate"}))
    found = origins(dataset)
    assert found.rejects() == {}
    assert "looker" not in found.__dict__, "nothing was even opened"
