"""A real Prefect server for the session, and the real command in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what drives the real command on one worker: one server, and a core left for the rest."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("e2e"))


SAMPLE = ROOT / "data" / "sample"


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass
class Command:
    """The imagemill command as a user runs it: from another folder, against a server or the embedded one."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str | Path, timeout: float = 240, **environment: str) -> Done:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=timeout)
        return Done(process.returncode, out, err)

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str | Path, **options: Any) -> dict[str, Any]:
        done = self("run", *arguments, "--json", **options)
        assert done.code == 0, done.err
        return done.json


def _environment(home: Path) -> dict[str, str]:
    """The user's environment without what this session set: no API URL, a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PYTEST_", "COV_"))}
    return {**kept, "PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the real server with the versions that are installed, and give its API's URL."""
    from flows.settings import DEFAULTS

    home = tmp_path_factory.mktemp("prefect")
    port = free_port()
    log = (home / "server.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        env={**_environment(home), **DEFAULTS},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}/api"
    try:
        _await_health(url, process, home / "server.log")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        log.close()


def _await_health(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not start: {log.read_text()}")


@pytest.fixture
def embedded(tmp_path: Path) -> Command:
    """The command with no server configured."""
    return Command(tmp_path, _environment(tmp_path / "prefect-home"))


@pytest.fixture
def command(tmp_path: Path, server: str) -> Command:
    """The command against the session's server."""
    return Command(tmp_path, {**_environment(tmp_path / "prefect-home"), "PREFECT_API_URL": server})


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A copy of the sample collection, bad files included, in a folder with a space in its name."""
    folder = tmp_path / "my photos"
    shutil.copytree(SAMPLE / "quickstart", folder)
    return folder


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory, server: str) -> Path:
    """The quickstart's dataset, made once."""
    folder = tmp_path_factory.mktemp("quickstart")
    command = Command(folder, {**_environment(folder / "prefect-home"), "PREFECT_API_URL": server})
    command.run("quickstart", "--file", ROOT / "pipelines.yaml", "--output", folder / "dataset", "--workers", "2")
    return folder / "dataset"
