"""Prefect with our settings: one embedded server, silence, and nothing left behind. Each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.settings import DEFAULTS, SILENCE, isolate

ROOT = Path(__file__).parents[2]

SCRIPT = """
import json, os, sys, time
from flows.settings import isolate

isolate()
start = time.monotonic()
import psutil
from prefect import flow, task
from flows.cluster import connect
from flows.drive import drive


def servers():
    below = psutil.Process().children(recursive=True)
    return [process.pid for process in below if "uvicorn" in process.cmdline()]


def look(number):
    import os, psutil, sys
    return "prefect" in sys.modules, len(psutil.Process(os.getpid()).children())


@task(name="make", persist_result=False)
def make():
    with connect(2) as client:
        looks = {outcome.result for outcome in drive(client, look, range(6), name=lambda n: f"make-{n}")}
    return {"looks": sorted(looks), "servers": servers()}


@task(name="seal", persist_result=False)
def seal():
    raise ValueError("the disk is full")


@flow(name="prepare", persist_result=False)
def prepare(fail):
    seen = make()
    if fail:
        seal()
    return seen


seen = prepare(False)
seen["seconds"] = time.monotonic() - start
state = prepare(True, return_state=True)
seen["failed"] = state.is_failed()
seen["servers afterwards"] = servers()
print(json.dumps(seen))
"""


def run(tmp_path: Path, home: Path) -> tuple[dict[str, Any], str]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PYTHONPATH": str(ROOT), "PREFECT_HOME": str(home)}
    ended = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=170, check=False
    )
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout)  # nothing but ours is on standard output
    return said, ended.stderr


@pytest.mark.server
@pytest.mark.slow
def test_a_flow_has_one_server_makes_no_noise_and_leaves_nothing_behind(tmp_path: Path) -> None:
    said, errors = run(tmp_path, tmp_path / "home")
    assert said["looks"] == [[False, 0]]  # no worker imports prefect or starts a process
    assert len(said["servers"]) == 1
    assert said["servers afterwards"] == said["servers"]
    assert said["failed"]
    assert errors == ""
    assert not psutil.pid_exists(said["servers"][0])


def test_what_the_user_has_set_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*DEFAULTS, *SILENCE, "PREFECT_LOGGING_LEVEL"]:
        monkeypatch.setenv(name, "")  # so that monkeypatch takes it back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "7")
    isolate()
    assert os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] == "7"
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "CRITICAL"


def test_who_asks_for_prefects_log_hears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*DEFAULTS, *SILENCE]:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    isolate()
    assert "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL" not in os.environ


def test_importing_the_settings_imports_no_prefect() -> None:
    code = "import sys, flows.settings; print('prefect' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
