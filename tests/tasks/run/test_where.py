"""``where`` names fields that rows have: others are mistakes of the file, found before anything is read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tasks.pipeline.spec import SpecError
from tests.tasks.run.serial import Ran, serial

PIPELINE = """version: 1
pipelines:
  small:
    source: {path: table.csv, format: csv}
    steps:
      - dark: {below: 0.01}
      - light: {below: 0}
        where: WHERE
      - resize: {size: 8}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.random.default_rng(i).integers(0, 255, (9, 9, 3), dtype=np.uint8))
    (tmp_path / "table.csv").write_text("uri,kind\n0.png,scan\n1.png,photo\n2.png,scan\n")
    return tmp_path


def run(folder: Path, where: str) -> Ran:
    (folder / "pipelines.yaml").write_text(PIPELINE.replace("WHERE", where))
    return serial(folder / "pipelines.yaml", "small", folder / "out")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("{knd: scan}", r"pipelines.yaml:8:\d+: .*no row has a field `knd` at light; did you mean `kind`"),
        ("{light: 0.5}", "no row has a field `light` at light"),  # it is measured here, so not known yet
        ("{width: 9}", "no row has a field `width` at light"),
        ("{split: trian}", "no row has the split 'trian'; there are train"),
    ],
)
def test_a_field_that_no_row_has_is_refused_at_its_line(folder: Path, where: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        run(folder, where)
    assert caught.value.exit_code == 2
    assert not (folder / "out" / ".imagemill" / "versions").exists()


@pytest.mark.parametrize("where", ["{kind: scan}", "{split: train}", "{label: null}", "{dark: 0.5}"])
def test_columns_splits_labels_and_earlier_measures_are_fields(folder: Path, where: str) -> None:
    assert run(folder, where).version["counts"]["kept"] == 3


def test_a_fold_of_the_sources_own_is_a_column_like_others(folder: Path) -> None:
    (folder / "table.csv").write_text("uri,fold\n0.png,a\n1.png,b\n2.png,a\n")
    (folder / "copy.png").write_bytes((folder / "0.png").read_bytes())
    with (folder / "table.csv").open("a") as table:
        table.write("copy.png,b\n")
    assert run(folder, "{fold: a}").version["counts"]["kept"] == 4
    text = PIPELINE.replace("    steps:\n", "    steps:\n      - deduplicate: {action: flag}\n      - split: {}\n")
    (folder / "pipelines.yaml").write_text(text.replace("WHERE", "{fold: a}"))
    found = serial(folder / "pipelines.yaml", "small", folder / "flagged").version
    assert found["counts"]["kept"] + found["counts"]["reasons"].get("leaks_into_test", 0) == 4


@pytest.mark.parametrize("where", ["{split: trian}", "{fold: 3}", "{fold: '1'}", "{fold: true}"])
def test_parts_that_there_are_not_are_refused(folder: Path, where: str) -> None:
    text = PIPELINE.replace("    steps:\n", "    steps:\n      - split: {train: 0.5, test: 0.5, folds: 3}\n")
    (folder / "pipelines.yaml").write_text(text.replace("WHERE", where))
    with pytest.raises(
        SpecError, match=r"no row has the (split|fold) .*; there are (train, test|whole numbers 0 to 2)"
    ):
        serial(folder / "pipelines.yaml", "small", folder / "out")
