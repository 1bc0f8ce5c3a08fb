"""Prefect's server for as long as this process lives, where none is configured.

Prefect would start one itself, but in the command's process group: Ctrl-C would take the server first, and the run
would end in refused connections. Started here it also comes up while Prefect is being imported, its pages can be
watched, and it ends with this process, however that ends.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import urllib.request
from pathlib import Path

from tasks.errors import ImagemillError

START_TIMEOUT = 120.0  # a new database on a slow machine: 26 s seen
STOP_TIMEOUT = 10.0

_server: Server | None = None


def is_configured() -> bool:
    """Say whether runs are to be reported to a server of the user's, by the environment or Prefect's active profile."""
    if os.environ.get("PREFECT_API_URL"):
        return True
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    path = Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml")).expanduser()
    try:
        profiles = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        return False  # none, or one that Prefect itself will complain of
    active = os.environ.get("PREFECT_PROFILE") or profiles.get("active", "")
    return bool(profiles.get("profiles", {}).get(active, {}).get("PREFECT_API_URL"))


def started() -> Server | None:
    """Give a server of this process's own, started at the first call; nothing where one is configured."""
    global _server
    if is_configured():
        return None
    if _server is None or _server.process.poll() is not None:
        _server = Server()
        # After Prefect's own atexit, which runs with those of threads: it sends the last logs.
        atexit.register(_server.stop)
    return _server


class Server:
    """A server in a process of its own, on a free port of this machine, on its way or up."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}/api"
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the server
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows.server", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    def stop(self) -> None:
        """End it, gently first."""
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def ready(self) -> None:
        """Wait until it answers. Raises ``ImagemillError`` with what it said where it does not."""
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        self.log.seek(0)
        said = self.log.read().strip().splitlines()[-5:]
        raise ImagemillError(
            f"Prefect's server did not start within {START_TIMEOUT:g} s: {' / '.join(said) or 'it said nothing'}. "
            "Start one with `imagemill server` and set PREFECT_API_URL, or remove its database (PREFECT_HOME)."
        )


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def main() -> None:
    """Serve on the port that is asked for until the parent process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    import uvicorn

    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        lifespan="on",
    )


if __name__ == "__main__":
    main()
