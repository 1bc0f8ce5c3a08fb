"""The command as a user meets it: exit codes, messages, JSON, from another folder, with bad files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import ROOT, Command
from tests.tasks.run.serial import files

PIPELINES = ROOT / "pipelines.yaml"


def test_run_on_a_folder_of_ones_own_with_bad_files(command: Command, photos: Path) -> None:
    result = command.run(
        "quickstart", "--file", PIPELINES, "--source", "my photos", "--output", "out", "--workers", "2"
    )
    assert {"rows", "rejected", "sources", "seconds", "images_per_second", "output", "run_id"} <= set(result)
    assert (
        result["sources"] == result["kept"] + result["rejected"] == sum(len(names) for _, _, names in os.walk(photos))
    )
    assert Path(result["output"]) == command.folder / "out"
    rejected = pq.read_table(command.folder / "out" / "rejected").to_pylist()
    assert len(rejected) == result["rejected"]
    assert all(row["uri"] and row["step"] and row["reason"] and row["message"] for row in rejected)
    rows = pq.read_table(command.folder / "out" / "data")
    assert rows.num_rows == result["rows"]
    assert all(source["uri"] for source in rows["source"].to_pylist())
    assert (command.folder / "out" / "report.html").is_file()
    again = command.run("quickstart", "--file", PIPELINES, "--source", "my photos", "--output", "out")
    assert (again["changed"], again["made"], again["version"]) == (False, 0, 1)


def test_workers_decide_no_byte(command: Command, photos: Path, quickstart: Path) -> None:
    """``quickstart`` was made by two."""
    command.run("quickstart", "--file", PIPELINES, "--source", photos, "--output", "out", "--workers", "1")
    assert files(command.folder / "out") == files(quickstart)


def test_the_embedded_server_needs_nothing_and_says_nothing(embedded: Command, photos: Path) -> None:
    done = embedded("run", "quickstart", "--file", PIPELINES, "--source", photos, "--output", "out", "--json")
    assert done.code == 0, done.err
    assert done.json["changed"]
    noise = [line for line in done.err.splitlines() if not line.startswith(("make", "seal", "quickstart: "))]
    assert noise == []
    again = embedded("run", "quickstart", "--file", PIPELINES, "--source", photos, "--output", "out")
    assert again.code == 0
    assert "unchanged" in again.out


def test_a_wrong_file_exits_2_with_its_line_and_starts_nothing(embedded: Command) -> None:
    (embedded.folder / "pipelines.yaml").write_text(
        "version: 1\npipelines:\n  p:\n    source: {path: images}\n    steps:\n      - rezise: {size: 64}\n"
    )
    for arguments in (("run", "p"), ("validate",), ("plan", "p")):
        done = embedded(*arguments)
        assert done.code == 2
        assert "pipelines.yaml:6" in done.err
        assert "resize" in done.err
        assert "Traceback" not in done.err
    assert not (embedded.folder / "results").exists()
    assert not (embedded.folder / "prefect-home").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "nothing", "--file", PIPELINES), 2, "quickstart"),
        (("run", "quickstart", "--file", "nowhere.yaml"), 2, "nowhere.yaml"),
        (("run", "quickstart", "--file", PIPELINES, "--source", "nowhere", "--output", "o"), 2, "nowhere"),
        (("run", "quickstart", "--file", PIPELINES, "--workers", "0"), 2, "--workers"),
        (("run", "quickstart", "--file", PIPELINES, "--source", ".", "--output", "."), 2, "is its own source"),
        (("operations", "rezise"), 2, "resize"),
        (("trace", "nowhere", "a.jpg"), 2, "no imagemill dataset"),
        (("verify", "nowhere"), 2, "no imagemill dataset"),
    ],
)
def test_a_wrong_request_exits_2_and_says_what_was_expected(
    embedded: Command, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = embedded(*arguments)
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err


def test_an_empty_source_fails_and_commits_nothing(embedded: Command) -> None:
    (embedded.folder / "empty").mkdir()
    done = embedded("run", "quickstart", "--file", PIPELINES, "--source", "empty", "--output", "out")
    assert done.code == 1
    assert "nothing in it" in done.err
    assert not list((embedded.folder / "out").glob("**/versions/*.json"))


def test_json_errors_are_json(embedded: Command) -> None:
    done = embedded("run", "nothing", "--file", PIPELINES, "--json")
    assert done.code == done.json["exit_code"] == 2


def test_programs_get_json(embedded: Command) -> None:
    assert len(embedded("operations", "--json").json) > 20  # type: ignore[arg-type]
    assert embedded("operations", "rotate", "--json").json["kind"] == "geometric"
    assert embedded("validate", "--file", PIPELINES, "--json").json["pipelines"]["quickstart"]["outputs"]
    plan = embedded("plan", "quickstart", "--file", PIPELINES, "--output", "out", "--json").json
    assert plan["to_read"] == plan["sources"] == 52
    assert json.loads(embedded("schema").out)["$schema"]
    assert "flowchart" in embedded("plan", "quickstart", "--file", PIPELINES, "--format", "mermaid").out


def test_trace_replay_and_verify(command: Command, quickstart: Path) -> None:
    row = pq.read_table(quickstart / "data", columns=["id", "source"]).to_pylist()[0]
    traced = command("trace", quickstart, row["source"]["uri"])
    assert traced.code == 0
    assert row["id"] in traced.out
    assert command("replay", quickstart, row["id"]).code == 0
    verified = command("verify", quickstart, "--all", "--json")
    assert (verified.code, verified.json["problems"]) == (0, [])


def test_a_limited_run_goes_beside_the_dataset(command: Command, photos: Path) -> None:
    (command.folder / "pipelines.yaml").write_text(
        "version: 1\npipelines:\n  small:\n    source: {path: my photos}\n    steps:\n      - resize: {size: 32}\n"
    )
    result = command.run("small", "--limit", "5")
    assert result["sources"] == 5
    assert Path(result["output"]) == command.folder / "results" / "small-limit5"
