"""The page of timings is of operations that there are."""

from __future__ import annotations

import re
from pathlib import Path

from tasks.operation import registry

PAGE = Path(__file__).parents[2] / "docs" / "timings.md"


def test_at_least_forty_operations_are_timed_beside_another_library() -> None:
    rows = re.findall(
        r"^\| ([a-z0-9_]+) \| ([\d.]+) \|.*\| ([\d.]+) \| [\d.-]+ \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    names = [name for name, _, _ in rows]
    assert len(set(names)) == len(names) >= 40
    assert set(names) <= set(registry())
    assert all(float(ours) > 0 and float(ratio) > 0 for _, ours, ratio in rows)
