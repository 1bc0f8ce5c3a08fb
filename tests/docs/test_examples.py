"""What README and the guide show is valid, and names commands that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from flows.cli import main
from tasks.pipeline.graph import build
from tasks.pipeline.json_schema import schema
from tasks.pipeline.spec import read

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "guide.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pipelines_shown_are_valid(page: Path, tmp_path: Path) -> None:
    shown = re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert shown
    for text in shown:
        (tmp_path / "pipelines.yaml").write_text(text)
        found = read(tmp_path / "pipelines.yaml")
        for name in found.names:
            assert build(found.pipeline(name)).outputs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_shown_exist(page: Path) -> None:
    named = set(re.findall(r"imagemill ([a-z]+)(?=[ `\n])", page.read_text("utf-8")))
    assert named & set(main.commands)
    assert named - {"is", "of", "that", "has"} <= set(main.commands)


def test_the_schema_that_editors_complete_from_is_current() -> None:
    written = (ROOT / "docs" / "pipelines.schema.json").read_text("utf-8")
    assert json.loads(written) == schema(), "run `make docs`"
