"""The pace of a run, from the times of its units."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa

from tasks.run.pace import pace
from tasks.store import staging
from tasks.store.staging import Staged


def units(folder: Path, times: list[float], images: int = 10) -> list[Staged]:
    found = []
    for i, time in enumerate(times):
        table = pa.table({"key": pa.array([bytes([i]) * 32] * images, pa.binary(32))})
        path = staging.write(folder, {"measures": table}, {"unit": str(i), "fingerprints": {}, "outputs": []})
        os.utime(path, (time, time))
        found.append(Staged(path))
    return found


def test_images_are_counted_in_the_part_in_which_their_unit_was_staged(tmp_path: Path) -> None:
    found = pace(units(tmp_path, [1000.0, *(1001.0 + i for i in range(4)), *(1005.0 + 0.5 * i for i in range(5))]))
    assert found == {"first": "1970-01-01T00:16:40+00:00", "seconds": 7.0, "images": [30, 60]}


def test_a_run_of_few_units_has_no_pace(tmp_path: Path) -> None:
    assert pace(units(tmp_path, [1000.0, 1001.0, 1002.0])) is None
    assert pace([]) is None


def test_units_staged_at_one_moment_have_no_pace(tmp_path: Path) -> None:
    assert pace(units(tmp_path, [1000.0] * 12)) is None
