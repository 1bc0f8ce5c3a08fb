"""The export command as a user runs it."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Command


def test_an_export_says_what_it_wrote_and_refuses_to_write_over_it(embedded: Command, quickstart: Path) -> None:
    done = embedded("export", quickstart, "--to", "webdataset", "--split", "test", "--output", "tars", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["rows"].keys() == {"test"} and done.json["version"] == 1
    assert [path.name for path in (embedded.folder / "tars").iterdir()] == ["test-000000.tar"]
    again = embedded("export", quickstart, "--to", "coco", "--output", "tars")
    assert again.code == 2 and "coco describes objects in images" in again.err and "Traceback" not in again.err
    again = embedded("export", quickstart, "--to", "imagefolder", "--output", "tars", "--json")
    assert again.code == 2 and "tars: is not empty" in again.json["error"]
