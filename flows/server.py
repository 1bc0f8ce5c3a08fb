"""Prefect's server for as long as this process lives, where none is configured.

Prefect would start one itself, but in the command's process group: Ctrl-C would take the server first, and the run
would end in refused connections. Started here it also comes up while Prefect is being imported, its pages can be
watched, and it ends with this process, however that ends.
"""

from __future__ import annotations

import atexit
import json
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

from tasks.errors import ImagemillError, RequestError
from tasks.load.files import without_credentials

PORT = 4200  # Prefect's own
LOCAL = f"http://127.0.0.1:{PORT}/api"
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


def found() -> str | None:
    """Give the API of a server that stays: the configured one, else that at the usual port of this machine, if any."""
    if is_configured():
        from prefect.settings import PREFECT_API_URL

        return str(PREFECT_API_URL.value())
    return LOCAL if answers(LOCAL) else None


def standing() -> Server:
    """Start a server at the usual port, for as long as this process lives, and wait for it."""
    if not is_free("127.0.0.1", PORT):
        raise ImagemillError(
            f"port {PORT} is taken by something that is no Prefect server: end that, or start one at another port "
            "(`imagemill server --port N`) and set PREFECT_API_URL to it"
        )
    server = Server(PORT)
    atexit.register(server.stop)
    server.ready()
    return server


def database_url(url: str) -> str:
    """Give a database's URL as Prefect takes it. Raises ``RequestError`` where it is none, or nobody answers there."""
    kind, mark, place = url.partition("://")
    if mark and kind in ("sqlite", "sqlite+aiosqlite"):
        return f"sqlite+aiosqlite://{place}"
    if not mark or kind not in ("postgresql", "postgres", "postgresql+asyncpg"):
        raise RequestError("--database: expected postgresql://USER:PASSWORD@HOST/NAME or sqlite:////PATH")
    import asyncio

    asyncio.run(_refuse_absent(f"postgresql://{place}"))
    return f"postgresql+asyncpg://{place}"


async def _refuse_absent(url: str) -> None:
    import asyncpg  # type: ignore[import-untyped] # Prefect's own

    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, ValueError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise RequestError(f"--database {without_credentials(url)}: cannot be opened ({said})") from error
    await connection.close()


def answers(url: str) -> bool:
    """Say whether a Prefect server answers at an API's URL."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200 and json.load(answer) is True)
    except (OSError, ValueError):
        return False


def is_free(host: str, port: int) -> bool:
    """Say whether nobody listens there, and we could."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """A server in a process of its own, on a port of this machine (a free one), on its way or up."""

    def __init__(self, port: int | None = None) -> None:
        port = port or _free_port()
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
            if answers(self.url):
                return
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
