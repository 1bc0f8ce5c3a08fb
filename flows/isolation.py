"""Find what kills its process: run it alone in processes that may die, half by half.

One process at a time, on the driver's machine (on a remote cluster too: a worker that dies would take its neighbours
along). The process has a deadline and a limit on memory.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Literal, TypeVar

import cloudpickle  # type: ignore[import-untyped]
import psutil  # type: ignore[import-untyped]

from flows.attempt import Done, Failed, attempt, no_core_file, spawn_without_main
from tasks.errors import ImagemillError

T = TypeVar("T")
Reason = Literal["crashed", "out_of_memory", "timeout"]
POLL = 0.05  # seconds between two looks at the memory of the process
HOPELESS = 16  # items that died, and none that lived: not the images are at fault


@dataclass(frozen=True)
class Died:
    """The process ended without an answer."""

    reason: Reason
    message: str


def bisect(
    work: bytes,
    item: T,
    *,
    halves: Callable[[T], list[T]] | None,
    name: Callable[[T], str],
    limit: Callable[[T], float | None],
    memory: int | None,
    pauses: Sequence[float],
    stop: threading.Event,
    whole: bool = True,
) -> Iterator[tuple[T, Done | Failed | Died]]:
    """The item, or its largest parts that live, and each single part that kills its process.

    ``whole`` False: it is known to die, so the halves come first. An OSError is tried again after each of ``pauses``.
    Ends early once ``stop`` is set.
    """
    parts = [item]
    lived, died = 0, 0
    while parts and not stop.is_set():
        part = parts.pop()
        smaller = halves(part) if halves else []
        if len(smaller) > 1 and not whole and part is item:
            parts.extend(reversed(smaller))
            continue
        for pause in (*pauses, 0.0):
            ended = alone(work, cloudpickle.dumps(part), limit=limit(part), memory=memory, stop=stop)
            if not (isinstance(ended, Failed) and ended.kind == "transient") or stop.wait(pause):
                break
        if stop.is_set():
            return
        if isinstance(ended, Died) and len(smaller) > 1:
            parts.extend(reversed(smaller))
            continue
        yield part, ended
        lived += not isinstance(ended, Died)
        died += isinstance(ended, Died)
        if isinstance(ended, Died) and died >= HOPELESS and not lived:
            raise ImagemillError(
                f"{name(item)}: each of its first {died} images ended its process ({ended.message}). So it is not an "
                "image, but an operation, a library, or the memory or time they may use."
            )


def alone(
    work: bytes, item: bytes, *, limit: float | None, memory: int | None, stop: threading.Event | None = None
) -> Done | Failed | Died:
    """One attempt in a process of its own, killed at ``limit`` seconds or ``memory`` bytes."""
    spawn_without_main()
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender, work, item), name="imagemill isolation", daemon=True)
    kills = _kernel_kills()
    process.start()
    sender.close()
    try:
        ended = _watch(process, receiver, limit, memory, stop)
        if ended is not None:
            return ended
        process.join()
        return _post_mortem(process.exitcode or 0, _kernel_kills() > kills)
    finally:
        process.kill()
        process.join()
        receiver.close()


def _serve(sender: Connection, work: bytes, item: bytes) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    no_core_file()
    sender.send("started")
    sender.send(attempt(work, item, None))


def _watch(
    process: multiprocessing.process.BaseProcess,
    receiver: Connection,
    limit: float | None,
    memory: int | None,
    stop: threading.Event | None,
) -> Done | Failed | Died | None:
    """What the process answered or why it was ended; None when it ended itself."""
    started = False
    deadline = None  # counts from when the child is up, not from when Python and the imports began
    while True:
        wait([receiver], timeout=POLL)
        if receiver.poll():
            try:
                answer = receiver.recv()
            except EOFError:
                if started:
                    return None
                process.join()
                raise ImagemillError(
                    f"A process of its own for a suspect could not start (exit status {process.exitcode})."
                ) from None
            if isinstance(answer, Done | Failed):
                if isinstance(answer, Failed) and answer.kind == "memory":
                    return Died("out_of_memory", "no memory was left")
                return answer
            started = True
            deadline = time.monotonic() + limit if limit is not None else None
        if deadline is not None and time.monotonic() > deadline:
            return Died("timeout", f"not done within {limit:g} s")
        if memory is not None and _resident(process.pid) > memory:
            return Died("out_of_memory", f"more than {memory / 1e9:.1f} GB of memory were needed")
        if stop is not None and stop.is_set():
            return Died("timeout", "the run was ended")


def _post_mortem(exit_code: int, by_kernel: bool) -> Died:
    if exit_code == -signal.SIGKILL and by_kernel:
        return Died("out_of_memory", "the system ran out of memory and killed the process")
    if exit_code < 0:
        return Died("crashed", f"the process was killed by {_signal_name(-exit_code)}")
    return Died("crashed", f"the process ended itself with exit status {exit_code}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _resident(pid: int | None) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _kernel_kills() -> int:
    """How often Linux has killed for lack of memory so far; 0 where it does not say."""
    try:
        with Path("/proc/vmstat").open(encoding="ascii") as lines:
            return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
    except OSError:
        return 0


def memory_for_one(worker_limits: list[int]) -> int | None:
    """What a process may use: as much as the smallest worker, and no more than this machine has."""
    limits = [limit for limit in worker_limits if limit]
    here = int(psutil.virtual_memory().total * 0.8)
    return min([int(min(limits) * 0.95), here]) if limits else (here if os.name == "posix" else None)
