"""The embedded server: one for the process, gone with it, and not there where another is configured."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import server
from tasks.errors import RequestError

ROOT = Path(__file__).parents[2]

HOLD = """
import sys
from flows.server import started
server = started()
server.ready()
assert started() is server
print(server.process.pid, flush=True)
sys.stdin.read()
"""


def test_a_profile_or_the_environment_configures_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PREFECT_PROFILE", raising=False)
    assert not server.is_configured()
    (tmp_path / "profiles.toml").write_text(
        'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "http://h/api"\n[profiles.other]\n'
    )
    assert server.is_configured()
    monkeypatch.setenv("PREFECT_PROFILE", "other")
    assert not server.is_configured()
    monkeypatch.setenv("PREFECT_API_URL", "http://h/api")
    assert server.is_configured()
    assert server.started() is None


@pytest.mark.parametrize("end", ["leave", "kill"])
def test_it_ends_with_its_process_however_that_ends(tmp_path: Path, end: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**environment, "PREFECT_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    pid = int(holder.stdout.readline())
    os.kill(pid, signal.SIGINT)  # Ctrl-C is not for it
    assert _is_there(pid)
    if end == "leave":
        holder.stdin.close()
    else:
        holder.kill()
    holder.wait(30)
    deadline = time.monotonic() + 20
    while _is_there(pid):
        assert time.monotonic() < deadline, "the server outlives its process"
        time.sleep(0.05)


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://h/d", "expected postgresql://"),
        ("/var/db", "expected postgresql://"),
        ("postgresql://me:secret@127.0.0.1:1/d", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_is_refused_without_its_password(url: str, message: str) -> None:
    with pytest.raises(RequestError, match=message) as refused:
        server.database_url(url)
    assert "secret" not in str(refused.value)


def test_a_sqlite_database_may_lie_anywhere() -> None:
    assert server.database_url("sqlite:////data/prefect.db") == "sqlite+aiosqlite:////data/prefect.db"


def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not server.answers(f"http://127.0.0.1:{port}/api")
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", "server", "--port", str(port)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert "name another --port" in done.stderr
