"""docs/operations.md says what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from tasks.fitted import Derived
from tasks.operation import Dataset, Target, registry

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("make_operations", DOCS / "make_operations.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert (DOCS / "operations.md").read_text() == script.page(), "run `python docs/make_operations.py`"


def test_every_operation_that_sees_pixels_has_a_small_picture() -> None:
    named = set(re.findall(r"\(operations/(\w+)\.webp\)", (DOCS / "operations.md").read_text()))
    assert named == {name for name, kind in registry().items() if not issubclass(kind, (Dataset, Target, Derived))}
    for name in named:
        assert 0 < (DOCS / "operations" / f"{name}.webp").stat().st_size <= 15_000, name
