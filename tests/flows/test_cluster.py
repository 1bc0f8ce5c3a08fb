"""The cluster: real worker processes, and the noise that they must not make."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from distributed import Client, get_worker

from flows import cluster as cluster_module
from flows.cluster import SETTINGS, connect, dashboard, set_malloc_thresholds
from flows.drive import drive
from tasks.errors import ImagemillError, RequestError

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(2) as connected:
        yield connected


def look(_: int) -> dict[str, Any]:
    import cv2

    import tasks.errors

    worker = get_worker()
    return {
        "prefect": "prefect" in sys.modules,
        "tasks": tasks.errors.ImagemillError.exit_code,
        "opencv threads": cv2.getNumThreads(),
        "OMP": os.environ["OMP_NUM_THREADS"],
        "OpenBLAS": os.environ["OPENBLAS_NUM_THREADS"],
        "trim": "MALLOC_TRIM_THRESHOLD_" in os.environ,
        "threads": worker.state.nthreads,
        "heartbeat": worker.periodic_callbacks["heartbeat"].callback_time,
        "beats": worker.periodic_callbacks["heartbeat"].is_running(),
        "monitor": worker.periodic_callbacks["monitor"].callback_time,
        "profile": [name for name in worker.periodic_callbacks if name.startswith("profile")],
        "interrupts": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
    }


WANTED = {
    "prefect": False,
    "tasks": 1,
    "opencv threads": 1,
    "OMP": "1",
    "OpenBLAS": "1",
    "trim": False,
    "threads": 1,
    "heartbeat": 5000,
    "beats": True,
    "monitor": 10_000,
    "profile": [],
    "interrupts": True,
}


def test_a_worker_is_one_quiet_thread_without_prefect(client: Client) -> None:
    seen = {outcome.worker: outcome.result for outcome in drive(client, look, range(8), name=str)}
    assert list(seen.values()) == [WANTED, WANTED]


def test_a_worker_that_comes_back_is_set_up_again(client: Client) -> None:
    before = client.run(os.getpid)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    seen = {outcome.worker: outcome.result for outcome in drive(client, look, range(8), name=str)}
    assert not set(seen) & set(before)
    assert all(result == WANTED for result in seen.values())


def test_the_heartbeat_holds_its_interval_against_the_schedulers_wish(client: Client) -> None:
    async def beat(dask_worker: Any) -> float:
        await dask_worker.heartbeat()
        return float(dask_worker.periodic_callbacks["heartbeat"].callback_time)

    assert set(client.run(beat).values()) == {5000.0}


def test_the_scheduler_keeps_our_settings(client: Client) -> None:
    def look_at(dask_scheduler: Any) -> tuple[Any, ...]:
        s = dask_scheduler
        return s.allowed_failures, s.worker_ttl, s.no_workers_timeout, s.WORKER_SATURATION, "stealing" in s.extensions

    assert client.run_on_scheduler(look_at) == (3, 300, 60, 1.0, False)


def test_the_dashboard_shows_the_tasks_on_this_machine_only(client: Client) -> None:
    link = dashboard(client)
    assert link is not None
    assert link.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(link) as page:
        assert b"bokeh" in page.read().lower()
    listening = {c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_malloc_takes_our_thresholds() -> None:
    assert set_malloc_thresholds()


def test_what_a_user_has_configured_stands() -> None:
    defaults = {name: cluster_module._default(name) for name in SETTINGS}
    with dask.config.set(defaults):
        assert cluster_module._settings() == dict(SETTINGS)
        with dask.config.set({"distributed.worker.memory.terminate": 0.5}):
            assert "distributed.worker.memory.terminate" not in cluster_module._settings()


def test_an_address_where_nothing_listens_is_a_wrong_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_TIMEOUT", 1.0)
    started = time.monotonic()
    with (
        pytest.raises(RequestError, match=r"No Dask scheduler answers at tcp://127.0.0.1:9"),
        connect(address="tcp://127.0.0.1:9"),
    ):
        pass
    assert time.monotonic() - started < 5


def test_an_address_that_is_none_is_a_wrong_request() -> None:
    with (
        pytest.raises(RequestError, match="No Dask scheduler answers at nonsense://x"),
        connect(address="nonsense://x"),
    ):
        pass


def test_a_running_cluster_is_used_by_its_address_and_left_running(client: Client) -> None:
    with connect(address=client.scheduler.address) as other:
        assert sorted(o.result for o in drive(other, abs, [-1, -2], name=lambda n: f"abs-{-n}")) == [1, 2]
    assert client.submit(abs, -3).result() == 3


def test_any_cluster_class_is_made_and_scaled() -> None:
    arguments = {"n_workers": 0, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with connect(2, class_name="distributed.LocalCluster", arguments=arguments) as client:
        client.wait_for_workers(2, timeout=30)
        assert len(list(drive(client, abs, range(4), name=str))) == 4


@pytest.mark.parametrize(
    ("class_name", "message"),
    [
        ("nowhere_at_all.SLURMCluster", "pip install nowhere-at-all"),
        ("pathlib.Path", "is no cluster class"),
        ("distributed.Nonsense", "is no cluster class"),
        ("SLURMCluster", "needs a dotted name"),
    ],
)
def test_a_wrong_class_is_a_wrong_request(class_name: str, message: str) -> None:
    with pytest.raises(RequestError, match=message), connect(class_name=class_name):
        pass


def test_an_address_and_a_class_are_a_wrong_request() -> None:
    with pytest.raises(RequestError, match="not both"), connect(address="tcp://x:1", class_name="a.B"):
        pass


def test_what_a_worker_cannot_import_is_told() -> None:
    with (
        pytest.raises(ImagemillError, match=r"could not be set up: .*nowhere_at_all"),
        connect(1, setup=("nowhere_at_all",)),
    ):
        pass


SCRIPT = """
import os, sys, time
{imports}
from flows.cluster import connect
from flows.drive import drive

def work(number):
    if number == 3:
        os.kill(os.getpid(), 9)
    return number, "json.tool" in sys.modules

with connect(2) as client:
    outcomes = list(drive(client, work, range(20), name=lambda n: f"make-{{n}}", poisoned=lambda *a: (a[0], a[1])))
print(sorted(outcome.result for outcome in outcomes)[:4])
"""


def run(script: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=60, **options
    )


def test_a_script_needs_no_main_guard_and_hears_nothing_of_dask(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(imports="import json.tool"))
    ended = run(script)
    assert ended.stdout == "[(0, False), (1, False), (2, False), (3, 'crashed')]\n"
    assert ended.stderr == ""
    assert ended.returncode == 0


INTERRUPTED = """
import time
from flows.cluster import connect
from flows.drive import drive

with connect(2) as client:
    for outcome in drive(client, time.sleep, [0, *[600] * 9], name=lambda n: f"make-{n}", window_per_thread=1):
        print("working", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_ctrl_c_ends_workers_at_once_and_quietly(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    with subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        children = psutil.Process(process.pid).children(recursive=True)
        started = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert errors.count("Traceback") == 1
    assert time.monotonic() - started < 4
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
