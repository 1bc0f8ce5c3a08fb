"""A bounded window of futures: refill, retry, find what kills its process.

    for outcome in drive(client, make, units, name=lambda unit: f"make-{unit.name}"):
        receipts.append(outcome.result)

The items may be without end: no more of them are taken than are in flight, and each future is released when its
result is here. Exceptions of the work never reach Dask (they come back as values), so what Dask reports is always
about machines: a killed worker, no workers, no scheduler.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, NoReturn, TypeVar

import cloudpickle  # type: ignore[import-untyped]
from distributed import CancelledError, Client, Future, KilledWorker, get_worker
from distributed.comm import CommClosedError
from distributed.scheduler import NoValidWorkerError, NoWorkerError

from flows.attempt import Done, Failed, attempt
from flows.isolation import Died, bisect, memory_for_one
from tasks.errors import ImagemillError, RequestError

T = TypeVar("T")
R = TypeVar("R")

RETRY_AFTER = (0.5, 2.0)  # seconds before an OSError is tried again, and again
PATIENCE = 60.0  # seconds without any worker, or without an answer of the scheduler, before the run gives up
LOOK_EVERY = 2.0  # seconds between two looks at the cluster while nothing happens
CALL_TIMEOUT = 10.0  # seconds for one answer of the scheduler

_serial = itertools.count()


@dataclass(frozen=True)
class Outcome(Generic[T, R]):
    """One item (or a part of one, after a bisection) and what came of it.

    ``retries`` counts what it took beyond the first attempt: I/O errors and dead workers. ``worker`` is the address
    of the worker, or ``isolated``. ``name`` is the task's, as the dashboard shows it.
    """

    item: T
    result: R
    seconds: float
    retries: int
    worker: str
    name: str = ""


def drive(
    client: Client,
    work: Callable[[T], R],
    items: Iterable[T],
    *,
    name: Callable[[T], str],
    window_per_thread: int = 4,
    halves: Callable[[T], list[T]] | None = None,
    poisoned: Callable[[T, str, str], R] | None = None,
    timeout: float | Callable[[T], float] | None = None,
    memory: int | None = None,
) -> Generator[Outcome[T, R], None, None]:
    """Do the work on each item in the cluster and yield the outcomes as they come, in no order.

    - An ``ImagemillError`` of the work ends the drive and is raised as it is; any other exception too, wrapped with
      the item's name. An ``OSError`` is tried twice more first, elsewhere and later.
    - An item that ends its worker's process (four times: Dask's allowed-failures), runs out of memory or takes longer
      than ``timeout`` seconds runs again alone, in a process of the driver's machine, half by half (``halves``): the
      parts that live yield outcomes of their own, and for each single item that does not, ``poisoned`` makes the
      result, given the item, ``crashed``, ``out_of_memory`` or ``timeout``, and a message. Without ``poisoned`` that
      is an error.
    - ``timeout`` is seconds for one item, or a function that says them for an item: halves then get less.
    - ``memory`` is what such a process may use, in bytes (default: what the smallest worker may).

    Work and items travel pickled, the work unpickled once a process. Close the generator, or let an exception pass,
    and what is in flight is cancelled. One drive at a time on a client.
    """
    limit = timeout if callable(timeout) else lambda _: timeout
    flight: _Flight[T, R] = _Flight(client, cloudpickle.dumps(work), name, limit, window_per_thread)
    flight.halves, flight.memory = halves, memory
    source = iter(items)
    try:
        flight.board()
        while True:
            flight.launch(islice(source, flight.room()))
            if not flight.busy:
                return
            for part, ended, retries, worker in flight.land():
                if isinstance(ended, Done):
                    result = cloudpickle.loads(ended.result)
                    yield Outcome(part, result, ended.seconds, retries, worker, name(part))
                elif isinstance(ended, Failed):
                    _raise(name(part), ended, retries)
                elif poisoned is None:
                    raise ImagemillError(f"{name(part)}: {ended.message} ({ended.reason}).")
                else:
                    result = poisoned(part, ended.reason, ended.message)
                    yield Outcome(part, result, 0.0, retries, worker, name(part))
    finally:
        flight.close()


@dataclass
class _Unit(Generic[T]):
    """An item on its way."""

    item: T
    name: str
    payload: bytes
    limit: float | None
    future: Future | None = None
    since: float = 0.0
    retries: int = 0


_Landed = tuple[T, Done | Failed | Died, int, str]


@dataclass
class _Flight(Generic[T, R]):
    """All that is under way. Whatever happens, on whichever thread, arrives in ``inbox``; one thread reads it."""

    client: Client
    work: bytes
    name: Callable[[T], str]
    limit: Callable[[T], float | None]
    window_per_thread: int
    halves: Callable[[T], list[T]] | None = None
    memory: int | None = None
    flying: dict[str, _Unit[T]] = field(default_factory=dict)  # in the cluster, by key
    waiting: list[tuple[float, int, _Unit[T]]] = field(default_factory=list)  # for their next attempt, by time
    suspects: int = 0  # in isolation, or in the queue for it
    threads: int = 0
    last_seen: float = 0.0
    inbox: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)
    stop: threading.Event = field(default_factory=threading.Event)
    isolation: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "isolation"))

    @property
    def busy(self) -> bool:
        return bool(self.flying or self.waiting or self.suspects)

    def room(self) -> int:
        under_way = len(self.flying) + len(self.waiting) + self.suspects
        return max(0, self.window_per_thread * max(self.threads, 1) - under_way)

    def board(self) -> None:
        self.last_seen = time.monotonic()
        self._look()
        if self.memory is None:
            workers = self.client.scheduler_info()["workers"].values()
            self.memory = memory_for_one([worker["memory_limit"] or 0 for worker in workers])
        self.client.subscribe_topic("all", self._hear)

    def launch(self, items: Iterable[T]) -> None:
        """Submit the items, and the units whose pause is over."""
        units = [_Unit(item, self.name(item), cloudpickle.dumps(item), self.limit(item)) for item in items]
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            units.append(heapq.heappop(self.waiting)[2])
        if not units:
            return
        keys = [f"{unit.name}-{next(_serial)}" for unit in units]
        futures = self.client.map(
            _in_worker,
            [self.work] * len(units),
            [unit.payload for unit in units],
            [unit.limit for unit in units],
            key=keys,
            pure=False,
        )
        for key, unit, future in zip(keys, units, futures, strict=True):
            unit.future, unit.since = future, time.monotonic()
            self.flying[key] = unit
            future.add_done_callback(lambda future: self.inbox.put(("finished", future.key)))

    def land(self) -> Iterator[_Landed[T]]:
        """Wait until something happens, and say what has come of it."""
        messages = self._wait()
        finished = {key: self.flying[key].future for what, key in messages if what == "finished" and key in self.flying}
        if finished:
            self.client.loop.add_callback(self._fetch, finished)
        for what, told in messages:
            if what == "done":
                yield from self._done(*told)
            elif what == "lost":
                for key in told:
                    self._lost(key)
            elif what == "isolated":
                yield told
            elif what == "released":
                self.suspects -= 1
            elif what == "cancelled" and told in self.flying:
                raise _no_scheduler(self.client)
            elif what == "raise":
                raise told

    def close(self) -> None:
        self.stop.set()
        self.isolation.shutdown(wait=True, cancel_futures=True)
        with suppress(Exception):
            self.client.unsubscribe_topic("all")
            if self.flying:
                self.client.cancel([unit.future for unit in self.flying.values()], force=True)
        self.flying.clear()

    def _wait(self) -> list[tuple[str, Any]]:
        pause = LOOK_EVERY
        if self.waiting:
            pause = min(pause, max(self.waiting[0][0] - time.monotonic(), 0))
        try:
            messages = [self.inbox.get(timeout=pause)]
        except queue.Empty:
            self._look()
            return []
        with suppress(queue.Empty):
            while True:
                messages.append(self.inbox.get_nowait())
        return messages

    def _done(self, key: str, ended: Done | Failed | Died, worker: str) -> Iterator[_Landed[T]]:
        unit = self.flying.pop(key, None)
        if unit is None:
            return  # withdrawn as a suspect
        if unit.future is not None:
            unit.future.release()
        if isinstance(ended, Failed) and ended.kind == "transient" and unit.retries < len(RETRY_AFTER):
            due = time.monotonic() + RETRY_AFTER[unit.retries]
            unit.retries += 1
            heapq.heappush(self.waiting, (due, next(_serial), unit))
        elif isinstance(ended, Died) or (isinstance(ended, Failed) and ended.kind == "memory"):
            self._suspect(unit)
        else:
            yield unit.item, ended, unit.retries, worker

    async def _fetch(self, futures: dict[str, Future]) -> None:
        """On the client's own thread: put what the futures hold into the inbox, with one call where all is well.

        Not on ours: a result whose worker has died since is waited for until it is made again.
        """
        try:
            held = await self.client.gather(list(futures.values()), asynchronous=True)
        except Exception:  # noqa: BLE001 - whatever a task or a transfer met; below, each by itself
            for key, future in futures.items():
                self.inbox.put(await self._fetch_one(key, future))
        else:
            for key, (ended, worker) in zip(futures, held, strict=True):
                self.inbox.put(("done", (key, ended, worker)))

    async def _fetch_one(self, key: str, future: Future) -> tuple[str, Any]:
        try:
            return "done", (key, *await self.client.gather(future, asynchronous=True))
        except KilledWorker:
            return "done", (key, Died("crashed", "its worker died, four times"), "")
        except (NoWorkerError, NoValidWorkerError):
            return "raise", _no_workers()
        except CancelledError:
            return "cancelled", key
        except CommClosedError:  # results come by way of the scheduler
            return "raise", _no_scheduler(self.client)
        except Exception as error:  # noqa: BLE001 - whatever went wrong between machines
            return "raise", _dask_failed(key, error)

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """On the client's own thread: a worker has gone, and what it was running is told."""
        _, told = event
        if told.get("action") == "remove-worker" and not told.get("expected"):
            self.inbox.put(("lost", list(told.get("processing-tasks", ()))))

    def _lost(self, key: str) -> None:
        """Dask runs it again elsewhere; but what had all its time and then took its worker along is a suspect."""
        unit = self.flying.get(key)
        if unit is None or unit.future is None:
            return
        unit.retries += 1
        if unit.limit is not None and time.monotonic() - unit.since >= unit.limit:
            del self.flying[key]
            self.client.cancel([unit.future], force=True)
            self._suspect(unit, whole=False)

    def _suspect(self, unit: _Unit[T], *, whole: bool = True) -> None:
        self.suspects += 1
        self.isolation.submit(self._isolate, unit, whole)

    def _isolate(self, unit: _Unit[T], whole: bool) -> None:
        """On the isolation thread."""
        try:
            for part, ended in bisect(
                self.work,
                unit.item,
                halves=self.halves,
                name=self.name,
                limit=self.limit,
                memory=self.memory,
                pauses=RETRY_AFTER,
                stop=self.stop,
                whole=whole,
            ):
                self.inbox.put(("isolated", (part, ended, unit.retries, "isolated")))
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that reads the inbox
            self.inbox.put(("raise", error))
        finally:
            self.inbox.put(("released", None))

    def _look(self) -> None:
        """How many threads there are now; an error when there have been none for long."""
        try:
            told = self.client.sync(self.client.scheduler.identity, n_workers=0, callback_timeout=CALL_TIMEOUT)
        except (OSError, TimeoutError, RuntimeError) as error:
            if time.monotonic() - self.last_seen > PATIENCE:
                raise _no_scheduler(self.client) from error
            return
        self.threads = told["total_threads"]
        if self.threads:
            self.last_seen = time.monotonic()
        elif time.monotonic() - self.last_seen > PATIENCE:
            raise _no_workers()


def _in_worker(work: bytes, item: bytes, limit: float | None) -> tuple[Done | Failed, str]:
    return attempt(work, item, limit), get_worker().address


def _raise(name: str, failed: Failed, retries: int) -> NoReturn:
    error = failed.exception()
    if failed.kind == "told":
        if isinstance(error, ImagemillError):
            raise error
        raise (RequestError if failed.exit_code == 2 else ImagemillError)(failed.what.partition(": ")[2]) from error
    error.add_note(failed.trace)
    if failed.kind == "transient":
        raise ImagemillError(
            f"{name}: reading or writing failed, {retries + 1} times: {failed.what}. What is done stays done: "
            "see to the storage, then run again."
        ) from error
    raise ImagemillError(f"{name}: {failed.what} ({failed.where}). This is a bug in an operation.") from error


def _dask_failed(name: str, error: Exception) -> ImagemillError:
    told = ImagemillError(
        f"{name}: Dask could not run it: {type(error).__name__}: {error}. "
        "Do all workers have the same imagemill and the same packages as this machine?"
    )
    told.__cause__ = error
    return told


def _no_workers() -> ImagemillError:
    return ImagemillError(
        "All Dask workers are gone, and none has come back in time. What is done stays done: "
        "see to the cluster, then run again."
    )


def _no_scheduler(client: Client) -> ImagemillError:
    address = getattr(client.scheduler, "address", None) or "its address"
    return ImagemillError(
        f"The Dask scheduler at {address} is gone or does not answer. What is done stays done: "
        "see to the cluster, then run again."
    )
