"""Pixels of a stated distance: from what a DICOM file says, or what the user says of files that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tasks.errors import Rejected
from tasks.image.sample import Encoded, Sample
from tasks.image.targets import Targets
from tasks.operation import KeyedDraws
from tasks.run.replay import Replayer
from tasks.store.dataset import open_dataset
from tests.tasks.images import done, picture, run, sample, step
from tests.tasks.run.serial import serial

pytest.importorskip("pydicom")
from tests.tasks.load.test_dicom import GRAY, dicom


def scanned(spacing: tuple[float, float] | None, pixels: np.ndarray | None = None, **more: Any) -> Sample:
    return sample(picture(60, 40) if pixels is None else pixels, file=Encoded("a.dcm", b"", "dicom", spacing), **more)


@pytest.mark.parametrize(
    ("spacing", "asked", "size"),
    [
        ((0.5, 0.5), 0.5, (60, 40)),
        ((0.5, 0.5), 1, (30, 20)),
        ((0.5, 1.0), [0.25, 0.5], (120, 80)),
        ((0.7, 0.7), 0.33, (127, 85)),
        ((0.01, 0.01), 5, (1, 1)),
    ],
)
def test_the_size_follows_from_the_distances(spacing: tuple[float, float], asked: Any, size: tuple[int, int]) -> None:
    made = run([step("resample", spacing=asked)], scanned(spacing))
    assert made.size == size == (made.picture().shape[1], made.picture().shape[0])
    (noted,) = made.lineage
    assert noted.params["scale"] == pytest.approx(
        [s / a for s, a in zip(spacing, np.broadcast_to(asked, 2), strict=True)]
    )


def test_it_is_resize_to_that_size_and_boxes_follow() -> None:
    boxes = Targets(np.array([[10.0, 10, 20, 10]]), ("x",))
    made = run([step("resample", spacing=1)], scanned((0.5, 0.5), targets=boxes))
    assert np.array_equal(made.picture(), done("resize", picture(60, 40), size=[30, 20]))
    placed = made.targets.placed(made.whole, 0.1, 1)
    assert placed.boxes.tolist() == [[5, 5, 10, 5]]


def test_what_no_file_says_is_said_by_the_user_or_a_verdict() -> None:
    assert run([step("resample", spacing=1, of_source=2)], scanned(None)).size == (120, 80)
    assert run([step("resample", spacing=1, of_source=2)], scanned((0.5, 0.5))).size == (
        30,
        20,
    )  # the file knows better
    with pytest.raises(Rejected, match="how far its pixels are apart") as told:
        run([step("resample", spacing=1)], scanned(None), KeyedDraws(1))
    assert told.value.reason == "no_spacing"
    with pytest.raises(ValidationError):
        step("resample", spacing=0)


def test_a_dicom_file_is_resampled_by_what_it_says_and_replays(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "ct.dcm").write_bytes(dicom(GRAY, PixelSpacing=[0.5, 0.25]))  # rows first
    (folder / "xray.dcm").write_bytes(dicom(GRAY, ImagerPixelSpacing=[1, 1]))
    (folder / "odd.dcm").write_bytes(dicom(GRAY))
    file = tmp_path / "pipelines.yaml"
    file.write_text(
        "version: 1\npipelines:\n  p:\n    source: {path: scans}\n    steps:\n      - resample: {spacing: 0.5}\n"
    )
    serial(file, "p", tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    rows = {row["source"]["uri"]: row for row in dataset.table().to_pylist()}
    height, width = GRAY.shape
    assert {uri: (row["width"], row["height"]) for uri, row in rows.items()} == {
        "ct.dcm": (width // 2, height),
        "xray.dcm": (width * 2, height * 2),
    }
    assert dataset.rejected.column("reason").to_pylist() == ["no_spacing"]
    assert all(Replayer(dataset).replay(row, "images")["same"] for row in rows.values())
