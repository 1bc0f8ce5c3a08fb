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
import json, os, time
from flows.settings import isolate

isolate()
start = time.monotonic()
import psutil
from prefect import flow, task
from prefect.client.orchestration import get_client
from flows.cluster import connect
from flows.drive import drive
from flows.monitor import Monitor


def servers():
    below = psutil.Process().children(recursive=True)
    return [process.pid for process in below if "uvicorn" in process.cmdline()]


def look(number):
    import os, psutil, sys
    return "prefect" in sys.modules, len(psutil.Process(os.getpid()).children())


@task(name="make", persist_result=False)
def make(monitor):
    looks = set()
    with connect(2) as client, monitor.stage("make", 6) as progress:
        for outcome in drive(client, look, range(6), name=lambda n: f"make-{n}"):
            looks.add(outcome.result)
            progress.advance(outcome, images=1, rows=1)
    return {"looks": sorted(looks), "servers": servers()}


@task(name="seal", persist_result=False)
def seal():
    raise ValueError("the disk is full")


@flow(name="prepare", persist_result=False)
def prepare(fail):
    if fail:
        seal()
    monitor = Monitor("X-Ray", quiet=True)
    seen = make(monitor)
    monitor.summary({"pipeline": "X-Ray", "rejected": 1})
    with get_client(sync_client=True) as client:
        seen["artifacts"] = {a.key: [a.type, a.data, a.description] for a in client.read_artifacts()}
    return seen | {"run page": monitor.run_page}


seen = prepare(False)
seen["seconds"] = time.monotonic() - start
state = prepare(True, return_state=True)
seen["failed"] = state.is_failed()
seen["servers afterwards"] = servers()
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def flow_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What a process saw that ran two flows, the second failing, and its standard error."""
    home = tmp_path_factory.mktemp("prefect")
    script = home / "script.py"
    script.write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PYTHONPATH": str(ROOT), "PREFECT_HOME": str(home)}
    ended = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=170, check=False
    )
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout)  # nothing but ours is on standard output
    return said, ended.stderr


Seen = tuple[dict[str, Any], str]


@pytest.mark.server
@pytest.mark.slow
def test_flows_have_one_server_and_leave_nothing_behind(flow_run: Seen) -> None:
    said, _ = flow_run
    assert len(said["servers"]) == 1
    assert said["servers afterwards"] == said["servers"]
    assert not psutil.pid_exists(said["servers"][0])


@pytest.mark.server
@pytest.mark.slow
def test_workers_of_a_flow_import_no_prefect_and_start_no_process(flow_run: Seen) -> None:
    assert flow_run[0]["looks"] == [[False, 0]]


@pytest.mark.server
@pytest.mark.slow
def test_prefect_is_silent_even_where_a_flow_fails(flow_run: Seen) -> None:
    said, errors = flow_run
    assert said["failed"]
    assert errors == ""


@pytest.mark.server
@pytest.mark.slow
def test_artifacts_reach_the_run_page(flow_run: Seen) -> None:
    said, _ = flow_run
    found = said["artifacts"]
    assert said["run page"] is None  # the embedded server shows no pages
    assert sorted(found) == ["x-ray-make", "x-ray-make-units", "x-ray-summary"]
    assert found["x-ray-make"][:2] == ["progress", 100.0]
    assert "6 of 6 images (100 %)" in found["x-ray-make"][2]
    assert '"unit": "make-1"' in found["x-ray-make-units"][1]
    assert found["x-ray-summary"][1].startswith("# X-Ray")


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
