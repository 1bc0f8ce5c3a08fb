"""Dask for the length of one run: processes of this machine by default, an address, or any cluster class.

Everything that makes a worker a good one stands here: one thread a process, malloc thresholds that suit images, no
profiling, no work stealing, a quiet heartbeat, and silence on standard error.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import importlib.util
import logging
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, Worker, WorkerPlugin
from distributed.config import defaults as distributed_defaults
from tornado.ioloop import PeriodicCallback

from flows.attempt import no_core_file, spawn_without_main
from tasks.errors import ImagemillError, RequestError

CONNECT_TIMEOUT = 10.0  # seconds until an address counts as unreachable
FIRST_WORKER_TIMEOUT = 60.0  # of a scheduler that runs already
FIRST_JOB_TIMEOUT = 3600.0  # of a cluster class: a batch system may queue the first job for long
HEARTBEAT = 5.0
SYSTEM_MONITOR = 10.0

# Measured (FINDINGS E): the malloc thresholds give 8 %, a quiet worker another 5 %. Memory: our workers hold no Dask
# data, so nothing can be spilled, and a worker that pauses at 80 % with fragmented memory would never go on: only
# `terminate` is left, which ends in the bisection of drive.py. Saturation 1.0: a worker has no second unit queued, so
# a dead worker blames only what it ran.
SETTINGS: Mapping[str, Any] = {
    "distributed.scheduler.allowed-failures": 3,
    "distributed.scheduler.no-workers-timeout": "60s",
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.worker-ttl": "5 minutes",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.nanny.pre-spawn-environ": {
        "OMP_NUM_THREADS": 1,
        "MKL_NUM_THREADS": 1,
        "OPENBLAS_NUM_THREADS": 1,
        "VECLIB_MAXIMUM_THREADS": 1,
    },
    "distributed.admin.system-monitor.interval": f"{SYSTEM_MONITOR:g}s",
    "distributed.admin.tick.interval": "500ms",
}
# Fork would inherit the dataset's lock. And a LocalCluster looks 15 s after each death whether the worker is back, and
# if it is just down again (a second death), closes its nanny for good: a run with killers lost all its workers so.
LOCAL_SETTINGS: Mapping[str, Any] = {
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.deploy.lost-worker-timeout": "100 days",
}
MALLOC = ((-3, 32 << 20), (-1, 256 << 20))  # glibc: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
SILENCE = logging.CRITICAL + 1  # the scheduler tells a client that leaves early with CRITICAL
LOGGERS = ("distributed", "tornado", "bokeh", "asyncio")


@contextmanager
def connect(
    workers: int | None = None,
    address: str | None = None,
    class_name: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    setup: Sequence[str] = (),
) -> Iterator[Client]:
    """A client of a cluster that stands ready, closed with everything that it started.

    ``workers`` processes on this machine (default: as many as it has CPUs); or the running scheduler at ``address``;
    or ``class_name`` (``dask_jobqueue.SLURMCluster``) made with ``arguments`` and scaled to ``workers``. ``setup``
    names what each worker imports (``module``) or calls (``module:function``) before its first task.

    What a user's own Dask configuration sets stands; ours replaces only Dask's defaults.
    """
    if address and class_name:
        raise RequestError("cluster: give an address or a class, not both")
    spawn_without_main()
    with ExitStack() as stack:
        stack.enter_context(quiet())
        stack.enter_context(dask.config.set(_settings()))
        if address:
            client = stack.enter_context(_at(address))
        elif class_name:
            client = stack.enter_context(_of_class(class_name, dict(arguments or {}), workers))
        else:
            client = stack.enter_context(_local(workers, dict(arguments or {})))
        plugin = Setup(tuple(setup), tune=not address, silent=not _has_own_logging())
        try:
            client.register_plugin(plugin)
        except Exception as error:
            raise ImagemillError(
                f"The Dask workers could not be set up: {type(error).__name__}: {error}. "
                "They need the same imagemill, and the same packages, as this machine."
            ) from error
        yield client


class Setup(WorkerPlugin):  # type: ignore[misc]
    """What each worker does before its first task; new and restarted workers do it too."""

    name = "imagemill"
    idempotent = False

    def __init__(self, names: tuple[str, ...], *, tune: bool, silent: bool) -> None:
        self.names = names
        self.tune = tune
        self.silent = silent

    def setup(self, worker: Worker) -> None:
        """Called by Dask in the worker's process."""
        set_malloc_thresholds()
        with suppress(ImportError):
            import cv2

            cv2.setNumThreads(1)
        if self.tune:
            _tune(worker)
            no_core_file()
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver ends us
        if self.tune and self.silent:
            for logger in _loggers():
                logger.setLevel(SILENCE)
        for name in self.names:
            module, _, function = name.partition(":")
            loaded = importlib.import_module(module)
            if function:
                getattr(loaded, function)()


def set_malloc_thresholds() -> bool:
    """Keep freed image buffers for the next image; whether this C library took it (glibc does, others do not)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    taken = [mallopt(parameter, value) == 1 for parameter, value in MALLOC]
    return all(taken)


@contextmanager
def quiet() -> Iterator[None]:
    """Dask's own log, off: what matters comes as an exception. A ``logging`` section in Dask's configuration wins."""
    if _has_own_logging():
        yield
        return
    before = [(logger, logger.level) for logger in _loggers()]
    for logger, _ in before:
        logger.setLevel(SILENCE)
    try:
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)


@contextmanager
def _local(workers: int | None, arguments: dict[str, Any]) -> Iterator[Client]:
    if workers is not None and workers < 1:
        raise RequestError(f"cluster: workers must be at least 1, not {workers}")
    options = {
        "n_workers": workers or CPU_COUNT,
        "threads_per_worker": 1,
        "processes": True,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": False if _has_own_logging() else SILENCE,
        **arguments,
    }
    with dask.config.set(LOCAL_SETTINGS):
        try:
            cluster = LocalCluster(**options)
        except TypeError as error:
            raise RequestError(f"cluster: {error}") from error
        except (RuntimeError, OSError) as error:
            raise ImagemillError(f"The Dask workers of this machine did not start: {error}") from error
        with cluster, Client(cluster, set_as_default=False, timeout=CONNECT_TIMEOUT) as client:
            try:
                yield client
            except BaseException:
                with suppress(Exception):
                    cluster.sync(_end_now, cluster)
                raise


async def _end_now(cluster: LocalCluster) -> None:
    """After an error or Ctrl-C: not the 4 s of grace that Dask gives to C code which cannot be stopped anyway."""
    ends = (nanny.close(timeout=0.5, reason="imagemill-ends") for nanny in cluster.workers.values())
    await asyncio.gather(*ends, return_exceptions=True)


@contextmanager
def _at(address: str) -> Iterator[Client]:
    try:
        with dask.config.set({"distributed.comm.timeouts.connect": f"{CONNECT_TIMEOUT:g}s"}):
            client = Client(address, set_as_default=False, timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError, TypeError) as error:
        raise RequestError(
            f"No Dask scheduler answers at {address}: {_first_line(error)}. Is it running, and is its port reachable "
            "from here? (`dask scheduler` prints its address: tcp://HOST:8786)"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=FIRST_WORKER_TIMEOUT)
        except TimeoutError as error:
            raise RequestError(
                f"The Dask scheduler at {address} has had no worker for {FIRST_WORKER_TIMEOUT:g} s: "
                f"start some with `dask worker {address} --nthreads 1`."
            ) from error
        yield client


@contextmanager
def _of_class(class_name: str, arguments: dict[str, Any], workers: int | None) -> Iterator[Client]:
    cluster_class = _cluster_class(class_name)
    try:
        made = cluster_class(**arguments)
    except Exception as error:
        raise RequestError(f"cluster: {class_name} could not be made: {type(error).__name__}: {error}") from error
    with made as cluster, Client(cluster, set_as_default=False, timeout=CONNECT_TIMEOUT) as client:
        if workers is not None:
            cluster.scale(workers)
        try:
            client.wait_for_workers(1, timeout=FIRST_JOB_TIMEOUT)
        except TimeoutError as error:
            raise ImagemillError(
                f"cluster: {class_name} has brought up no worker within {FIRST_JOB_TIMEOUT / 60:g} minutes. "
                "See the batch system's queue and the workers' logs; `workers:` must be given."
            ) from error
        yield client


def _cluster_class(class_name: str) -> Any:
    module_name, _, name = class_name.rpartition(".")
    if not module_name:
        raise RequestError(f"cluster: class needs a dotted name, such as dask_jobqueue.SLURMCluster, not {class_name}")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        package = module_name.partition(".")[0].replace("_", "-")
        raise RequestError(f"cluster: {module_name} cannot be imported ({error}): pip install {package}") from error
    found = getattr(module, name, None)
    if not callable(getattr(found, "scale", None)):
        raise RequestError(f"cluster: {class_name} is no cluster class (it has no `scale`)")
    return found


def _settings() -> dict[str, Any]:
    """Ours, where nobody set something else than Dask's default."""
    return {name: value for name, value in SETTINGS.items() if dask.config.get(name, None) == _default(name)}


def _default(name: str) -> Any:
    found: Any = {"distributed": distributed_defaults["distributed"]}
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _has_own_logging() -> bool:
    return any(dask.config.get(key, None) for key in ("distributed.logging", "distributed.logging-file-config"))


def _loggers() -> list[logging.Logger]:
    """The roots, and each logger below them that has a level or a handler of its own."""
    below = tuple(f"{name}." for name in LOGGERS)
    own = [
        logger
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and name.startswith(below) and (logger.level or logger.handlers)
    ]
    return [*(logging.getLogger(name) for name in LOGGERS), *own]


def _tune(worker: Worker) -> None:
    """For workers whose processes read no configuration of ours (batch systems), and for the heartbeat.

    The scheduler's answer to each heartbeat sets the next interval (0.5 s on a small cluster), whatever the worker
    was started with: so the callback itself must hold still.
    """
    for name in ("profile", "profile-cycle"):
        if callback := worker.periodic_callbacks.pop(name, None):
            callback.stop()
    monitor = worker.periodic_callbacks.get("monitor")
    if monitor is not None:
        monitor.callback_time = SYSTEM_MONITOR * 1000
    heartbeat = worker.periodic_callbacks["heartbeat"]
    running = heartbeat.is_running()
    heartbeat.stop()
    worker.periodic_callbacks["heartbeat"] = steady = _Steady(worker.heartbeat, HEARTBEAT * 1000)
    if running:
        steady.start()


class _Steady(PeriodicCallback):
    """A periodic callback whose interval nobody changes."""

    @property
    def callback_time(self) -> float:
        return HEARTBEAT * 1000

    @callback_time.setter
    def callback_time(self, value: float) -> None:
        """Ignored."""


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def dashboard(client: Client) -> str | None:
    """Where the units can be watched one by one; None where bokeh is missing and the page would only say so."""
    if "bokeh" not in sys.modules and importlib.util.find_spec("bokeh") is None:
        return None
    link = client.dashboard_link
    return str(link) if link else None
