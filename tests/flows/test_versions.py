"""The commands that go through versions, and explain: what they print, as JSON too, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flows.cli import main
from tests.tasks.run.test_run import Collection


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    collection = Collection(tmp_path_factory.mktemp("versions"))
    collection.run("a")
    (collection.source / "photos" / "campus.jpg").unlink()
    collection.run("a")
    return collection


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def as_json(*arguments: str | Path) -> dict[str, Any]:
    done = command(*arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_history_lists_the_newest_first_and_marks_it(collection: Collection) -> None:
    dataset = collection.folder / "a"
    lines = command("history", dataset).stdout.splitlines()
    assert lines[0].startswith("* version 2 ")
    assert any(line.startswith("    against version 1: sources +0 -1 ~0; images +0 -") for line in lines)
    assert [one["version"] for one in as_json("history", dataset)["versions"]] == [2, 1]
    assert len(as_json("history", dataset, "--last", "1")["versions"]) == 1


def test_explain_says_why_and_starts_nothing(collection: Collection) -> None:
    arguments = ("run", "small", "--explain", "--file", collection.folder / "pipelines.yaml")
    arguments = (*arguments, "--output", collection.folder / "a")
    assert "nothing to do: unchanged since version 2" in command(*arguments).stdout
    found = as_json(*arguments, "--seed", "8")
    assert {one["name"]: one["why"] for one in found["artifacts"]}["images"] == ["seed 7 -> 8"]
    assert "seed 7 -> 8" in command(*arguments, "--seed", "8").stdout
    assert len(as_json("history", collection.folder / "a")["versions"]) == 2


def test_plan_tells_the_same(collection: Collection) -> None:
    arguments = ("plan", "small", "--file", collection.folder / "pipelines.yaml", "--output", collection.folder / "a")
    assert "nothing to do: unchanged since version 2" in command(*arguments).stdout
    assert as_json(*arguments)["explanation"]["unchanged"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rollback", "a", "9"), "no version 9; there are [1, 2]"),
        (("rollback", "source", "1"), "no imagemill dataset"),
        (("rollback", "a", "one"), "not a valid integer"),
        (("history", "nowhere"), "no imagemill dataset"),
        (("clean", "a", "--older-than", "3 dogs"), "such as '7 days'"),
        (("clean", "a", "--keep", "0"), "x>=1"),
        (("run", "small", "--file", "pipelines.yaml", "--output", "pipelines.yaml"), "this is a file"),
    ],
)
def test_a_wrong_request_exits_2(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(collection.folder)
    done = command(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_rollback_and_clean_say_what_they_did(collection: Collection) -> None:
    dataset = collection.folder / "a"
    made = as_json("rollback", dataset, "1")
    assert (made["version"], made["changed"]) == (3, True)
    assert "has these contents already" in command("rollback", dataset, "1").stdout
    assert "rolled back to version 1" in command("history", dataset).stdout
    spared = as_json("clean", dataset)
    assert (spared["versions"], spared["files"]) == ([], [])
    would = as_json("clean", dataset, "--older-than", "0", "--dry-run")
    did = as_json("clean", dataset, "--older-than", "0")
    assert (did["versions"], did["files"]) == (would["versions"], would["files"]) == ([1, 2], did["files"])
    assert did["files"]
    assert as_json("verify", dataset, "--sample", "0")["problems"] == []


def test_a_trace_is_written_as_a_page(collection: Collection, tmp_path: Path) -> None:
    done = command("trace", collection.folder / "a", "photos/coffee.jpg", "--html", tmp_path / "way.html")
    assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / "way.html"))
    assert "<!doctype html>" in (tmp_path / "way.html").read_text("utf-8")
    done = command("trace", collection.folder / "a", "photos/coffee.jpg", "--html", tmp_path / "no" / "way.html")
    assert done.exit_code == 1
    assert "No such file or directory" in done.stderr
