"""What all commands have in common: help with examples, options of one name and one meaning, completion, colour."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from flows.cli import main

ROOT = Path(__file__).parents[2]
COMMANDS = [pytest.param(command, id=name) for name, command in sorted(main.commands.items())]
STYLE = re.compile(rb"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_it_does_what_each_option_means_and_gives_an_example(command: click.Command) -> None:
    done = CliRunner().invoke(main, [str(command.name), "-h"])
    assert done.exit_code == 0
    assert re.search(rf"Examples?:\n  +(\S.*)?imagemill {command.name}", done.output), done.output
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{command.name} {option.opts[0]} says nothing of itself"
            assert option.help.endswith("."), f"{command.name} {option.opts[0]}: {option.help}"


def test_an_option_has_the_same_letter_and_kind_everywhere() -> None:
    seen: dict[str, tuple[object, ...]] = {}
    for command in main.commands.values():
        for option in command.params:
            if isinstance(option, click.Option):
                long = next(name for name in [*reversed(option.opts)] if name)
                about = (tuple(sorted(option.opts)), option.is_flag)
                assert seen.setdefault(long, about) == about, f"{command.name} {long}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run quickstart --workers 0", "Invalid value for '--workers': 0 is not in the range x>=1; see `"),
        ("trace dataset", "Missing argument 'ROW'; see `"),
        ("frobnicate", "No such command 'frobnicate'; see `"),
        ("run quickstart --output s3:/bucket/x", "s3:/bucket/x: a URL has two slashes: s3://bucket/x?"),
    ],
)
def test_a_command_that_is_called_wrongly_says_so_in_one_line_and_as_one_object(line: str, message: str) -> None:
    told = CliRunner().invoke(main, line.split())
    assert told.exit_code == 2 and told.stdout == ""
    assert told.stderr.startswith(f"error: {message}") and told.stderr.count("\n") == 1
    asked = CliRunner().invoke(main, [*line.split(), "--json"])
    assert json.loads(asked.stdout)["exit_code"] == 2 and json.loads(asked.stdout)["error"].startswith(message)
    assert asked.exit_code == 2


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        (["plan"], "q", ["quickstart"]),
        (["run", "-f", "nowhere.yaml"], "", []),
        (["validate", "faces"], "x", ["xray"]),
        (["operations"], "rot90", ["rot90"]),
        (["preview", "quickstart", "--step"], "s", ["screen", "split", "square", "small"]),
        (["preview", "nosuch", "--step"], "s", []),
        (["completion"], "z", ["zsh"]),
    ],
)
def test_names_complete(
    words: list[str], incomplete: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    found = ShellComplete(main, {}, "imagemill", "_IMAGEMILL_COMPLETE").get_completions(words, incomplete)
    assert [one.value for one in found] == expected


def test_names_complete_from_another_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    shutil.copy(ROOT / "pipelines.yaml", file)
    completer = ShellComplete(main, {}, "imagemill", "_IMAGEMILL_COMPLETE")
    assert [one.value for one in completer.get_completions(["plan", "-f", str(file)], "d")] == ["detection"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_that_of_the_shell_and_says_where_to_put_it(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert f"_IMAGEMILL_COMPLETE={shell}_complete" in done.stdout
    assert "to install" in done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
def test_bash_takes_the_script_and_completes_a_pipeline(tmp_path: Path) -> None:
    (tmp_path / "imagemill").write_text(f'#!/bin/sh\nexec {sys.executable} -c "{ENTRY}" "$@"\n')
    (tmp_path / "imagemill").chmod(0o755)
    script = (
        'eval "$(imagemill completion bash 2>/dev/null)"; COMP_WORDS=(imagemill plan qui); COMP_CWORD=2; '
        '_imagemill_completion imagemill; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "quickstart", done.stderr


ENTRY = "from flows.cli import main; main(prog_name='imagemill')"
SHOWN = """
from flows.commands.face import told
from flows.monitor import Monitor
from flows.request import Result
from flows.summary import show
from tasks.errors import RequestError

@told
def wrong():
    raise RequestError("no such thing")

with Monitor("cats").stage("make", 10):
    pass
show(Result("cats", "out", 1, True, 3, 2, 1, 2, {"images": {"train": 2}}, {"dark": 1}, 3, 1.0, 3.0, "id", "r.html"))
wrong()
"""


def on_terminal(script: str, **environment: str) -> bytes:
    """Run a script with a terminal for all three streams, and give what it wrote."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, "TERM": "xterm-256color", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # the other end was closed
        pass
    os.close(ours)
    process.wait(60)
    return shown


def test_no_color_leaves_no_style_in_progress_summary_and_errors() -> None:
    shown = on_terminal(SHOWN, NO_COLOR="1")
    assert b"rows in images" in shown and b"error: no such thing" in shown
    assert not STYLE.search(shown), shown


def test_a_terminal_gets_colour_and_a_pipe_none() -> None:
    assert len(STYLE.findall(on_terminal(SHOWN))) > 4
    piped = subprocess.run([sys.executable, "-c", SHOWN], cwd=ROOT, capture_output=True, check=False)
    assert b"rows in images" in piped.stdout and piped.stderr.endswith(b"error: no such thing\n")
    assert not STYLE.search(piped.stdout + piped.stderr)
