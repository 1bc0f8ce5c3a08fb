"""One attempt at one unit, where it runs: in a Dask worker, or alone in a process that may die.

Imports neither Dask nor Prefect. Whatever happens comes back as a value; only the end of the process does not.
"""

from __future__ import annotations

import faulthandler
import multiprocessing.spawn
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TextIO

import cloudpickle  # type: ignore[import-untyped]

from tasks.errors import ImagemillError

PROCESS_NAMES = ("Dask Worker process (from Nanny)", "imagemill isolation")


@dataclass(frozen=True)
class Done:
    """The pickled result, and how long it took to make."""

    result: bytes
    seconds: float


@dataclass(frozen=True)
class Failed:
    """An exception: ``told`` (an ImagemillError), ``transient`` (an OSError), ``memory`` or a ``bug``."""

    kind: Literal["told", "transient", "memory", "bug"]
    error: bytes | None  # the exception itself, where pickle can bring it back
    what: str  # "a.jpg: step emboss: ValueError: negative size": its notes, the last first, before it
    where: str  # "in decode, codecs.py:31"
    trace: str
    exit_code: int = 1

    def exception(self) -> BaseException:
        """The exception as it was, or one that says the same."""
        if self.error is not None:
            loaded = cloudpickle.loads(self.error)
            if isinstance(loaded, BaseException):
                return loaded
        return RuntimeError(self.what)


def attempt(work: bytes, item: bytes, limit: float | None) -> Done | Failed:
    """Call the pickled work on the pickled item; end this whole process when it takes longer than ``limit`` seconds.

    The work is unpickled once a process: what it caches on itself stays from unit to unit.
    """
    with deadline(limit):
        started = time.perf_counter()
        try:
            result = cloudpickle.dumps(_loaded(work)(cloudpickle.loads(item)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it travels to the driver as a value
            return _failed(error)
        return Done(result, time.perf_counter() - started)


@lru_cache(maxsize=8)
def _loaded(work: bytes) -> Callable[[Any], Any]:
    loaded: Callable[[Any], Any] = cloudpickle.loads(work)
    return loaded


def _failed(error: BaseException) -> Failed:
    kind: Literal["told", "transient", "memory", "bug"] = "bug"
    if isinstance(error, ImagemillError):
        kind = "told"
    elif isinstance(error, OSError):
        kind = "transient"
    elif isinstance(error, MemoryError):
        kind = "memory"
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    text = str(error)
    return Failed(
        kind=kind,
        error=_pickled(error),
        what=": ".join([*reversed(getattr(error, "__notes__", ())), type(error).__name__, *([text] if text else ())]),
        where=f"in {last.name}, {Path(last.filename).name}:{last.lineno}" if last else "",
        trace="".join(traceback.format_exception(error)),
        exit_code=getattr(error, "exit_code", 1),
    )


def _pickled(error: BaseException) -> bytes | None:
    """None for an exception that pickle cannot bring back (required arguments, open handles)."""
    try:
        pickled: bytes = cloudpickle.dumps(error)
        return pickled if type(cloudpickle.loads(pickled)) is type(error) else None
    except Exception:  # noqa: BLE001 - any class may fail at being pickled in any way
        return None


_deadlines: dict[int, float] = {}
_lock = threading.Lock()
_nowhere: TextIO | None = None


@contextmanager
def deadline(limit: float | None) -> Iterator[None]:
    """End this process after ``limit`` seconds, even inside C code that holds the interpreter's lock.

    faulthandler's watchdog is a thread in C that calls ``_exit``. It has one timer a process: the earliest deadline.
    """
    if limit is None:
        yield
        return
    me = threading.get_ident()
    with _lock:
        _deadlines[me] = time.monotonic() + limit
        _arm()
    try:
        yield
    finally:
        with _lock:
            del _deadlines[me]
            _arm()


def _arm() -> None:
    global _nowhere
    if not _deadlines:
        faulthandler.cancel_dump_traceback_later()
        return
    if _nowhere is None:
        _nowhere = Path(os.devnull).open("w")  # noqa: SIM115 - faulthandler writes there when the time is over
    left = max(min(_deadlines.values()) - time.monotonic(), 0.001)
    faulthandler.dump_traceback_later(left, exit=True, file=_nowhere)


def no_core_file() -> None:
    """A process that is expected to crash leaves no gigabytes in the working directory."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def spawn_without_main() -> None:
    """Let our processes not import the user's script again.

    Spawned processes import ``__main__`` a second time: a script without ``if __name__ == "__main__"`` would start
    itself again in every worker, and under Prefect's runner each worker would import prefect. Functions of
    ``__main__`` travel by value (cloudpickle), so nothing needs it. Other processes of the user are left alone.
    """
    original = multiprocessing.spawn.get_preparation_data
    if getattr(original, "without_main", False):
        return

    def get_preparation_data(name: str) -> dict[str, Any]:
        data: dict[str, Any] = original(name)
        if name.startswith(PROCESS_NAMES):
            data.pop("init_main_from_name", None)
            data.pop("init_main_from_path", None)
        return data

    get_preparation_data.without_main = True  # type: ignore[attr-defined]
    multiprocessing.spawn.get_preparation_data = get_preparation_data
