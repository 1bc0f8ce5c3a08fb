"""The drive, with real worker processes and faults that are really injected."""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from distributed import Client

from flows import drive as drive_module
from flows.attempt import Failed
from flows.cluster import connect
from flows.drive import Outcome, drive
from flows.isolation import HOPELESS, Died, alone
from tasks.errors import ImagemillError, RequestError

pytestmark = pytest.mark.cluster

Numbers = tuple[int, ...]
POISON = 7


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(2) as connected:
        yield connected


@pytest.fixture(autouse=True)
def _two_workers(request: pytest.FixtureRequest) -> None:
    """A test may have killed a worker; the next starts when it is back."""
    if "client" in request.fixturenames:
        request.getfixturevalue("client").wait_for_workers(2, timeout=30)


def name(item: object) -> str:
    first = item[0] if isinstance(item, tuple) else item
    return f"make-{first:05d}"


def halves(numbers: Numbers) -> list[Numbers]:
    middle = len(numbers) // 2
    return [numbers[:middle], numbers[middle:]] if middle else []


def poisoned(item: Numbers, reason: str, message: str) -> list[str]:
    return [f"{number} {reason}: {message}" for number in item]


def units(count: int, size: int) -> list[Numbers]:
    return [tuple(range(start, start + size)) for start in range(0, count * size, size)]


def numbers_of(outcomes: list[Outcome[Numbers, list[str]]]) -> list[int]:
    return sorted(number for outcome in outcomes for number in outcome.item)


def test_each_item_comes_back_once_with_its_result_time_and_worker(client: Client) -> None:
    outcomes = list(drive(client, lambda number: number * number, range(100), name=name))
    assert sorted((outcome.item, outcome.result) for outcome in outcomes) == [(n, n * n) for n in range(100)]
    assert {outcome.worker for outcome in outcomes} == set(client.scheduler_info()["workers"])
    assert all(outcome.seconds >= 0 and outcome.retries == 0 for outcome in outcomes)
    assert not client.futures


def test_no_item_is_nothing_to_do(client: Client) -> None:
    assert list(drive(client, str, [], name=name)) == []


def test_an_endless_iterator_is_taken_no_further_than_the_window(client: Client) -> None:
    taken = itertools.count(1)
    last_taken = 0

    def items() -> Iterator[int]:
        nonlocal last_taken
        while True:
            last_taken = next(taken)
            yield last_taken

    outcomes = drive(client, str, items(), name=name, window_per_thread=3)
    ahead = [last_taken - back for back, _ in enumerate(itertools.islice(outcomes, 60))]
    outcomes.close()
    assert max(ahead) <= 2 * 3
    assert not client.futures


def test_what_kills_its_process_is_found_and_the_rest_is_done(client: Client) -> None:
    def work(numbers: Numbers) -> list[str]:
        if POISON in numbers:
            os.kill(os.getpid(), signal.SIGKILL)
        return [str(number) for number in numbers]

    outcomes = list(drive(client, work, units(6, 4), name=name, halves=halves, poisoned=poisoned))
    assert numbers_of(outcomes) == list(range(24))
    odd = [outcome for outcome in outcomes if outcome.result != [str(number) for number in outcome.item]]
    assert [outcome.result for outcome in odd] == [[f"{POISON} crashed: the process was killed by SIGKILL"]]
    assert odd[0].worker == "isolated"
    assert odd[0].retries == 4  # Dask's allowed-failures and one
    assert {outcome.item for outcome in outcomes} >= {unit for unit in units(6, 4) if POISON not in unit}


def test_a_segmentation_fault_is_named(client: Client) -> None:
    def work(number: int) -> str:
        return ctypes.string_at(0).decode() if number == POISON else str(number)

    def killer(item: int, reason: str, message: str) -> str:
        return f"{reason}: {message}"

    outcomes = {o.item: o.result for o in drive(client, work, range(5, 10), name=name, poisoned=killer)}
    assert outcomes.pop(POISON) == "crashed: the process was killed by SIGSEGV"
    assert outcomes == {number: str(number) for number in (5, 6, 8, 9)}


def test_without_a_stand_in_a_killer_ends_the_drive_with_its_name(client: Client) -> None:
    with pytest.raises(ImagemillError, match="make-00007: the process ended itself with exit status 3"):
        list(drive(client, lambda number: os._exit(3) if number == POISON else number, range(10), name=name))
    assert not client.futures


def test_where_everything_dies_it_is_not_the_images_fault(client: Client) -> None:
    def work(numbers: Numbers) -> list[str]:
        os._exit(1)

    with pytest.raises(ImagemillError, match=f"each of its first {HOPELESS} images ended its process"):
        list(drive(client, work, [tuple(range(64))], name=name, halves=halves, poisoned=poisoned))


def test_a_worker_killed_from_outside_costs_nothing_but_time(client: Client) -> None:
    def work(number: int) -> int:
        time.sleep(0.05)
        return number

    victim = next(iter(client.run(os.getpid).values()))
    results = []
    for outcome in drive(client, work, range(40), name=name):
        results.append(outcome.result)
        if len(results) == 5:
            os.kill(victim, signal.SIGKILL)
    assert sorted(results) == list(range(40))


def test_an_io_error_is_tried_again(client: Client, tmp_path: Path) -> None:
    def work(number: int) -> int:
        if number == POISON:
            tries = len(list(tmp_path.iterdir()))
            (tmp_path / f"try{tries}").touch()
            if tries < 2:
                raise ConnectionResetError("the mount hiccups")
        return number

    retries = {outcome.item: outcome.retries for outcome in drive(client, work, range(10), name=name)}
    assert retries == {number: 2 if number == POISON else 0 for number in range(10)}


def test_an_io_error_that_stays_ends_the_drive_and_says_where(client: Client) -> None:
    def work(number: int) -> int:
        raise OSError(5, "Input/output error", "/mnt/gone/a.jpg")

    with pytest.raises(
        ImagemillError, match=r"make-00003: .*failed, 3 times: .*Input/output error: '/mnt/gone"
    ) as told:
        list(drive(client, work, [3], name=name))
    assert isinstance(told.value.__cause__, OSError)
    assert told.value.__cause__.errno == 5


def test_an_error_of_ours_passes_as_it_is_and_at_once(client: Client, tmp_path: Path) -> None:
    def work(number: int) -> int:
        if number == POISON:
            (tmp_path / str(time.time_ns())).touch()
            raise RequestError("no such column: nose")
        return number

    with pytest.raises(RequestError, match=r"^no such column: nose$"):
        list(drive(client, work, itertools.count(), name=name))
    assert len(list(tmp_path.iterdir())) == 1
    assert not client.futures


def test_a_bug_is_told_with_the_item_and_the_place(client: Client) -> None:
    def work(number: int) -> int:
        return 1 // (number - POISON)

    with pytest.raises(ImagemillError, match=r"make-00007: ZeroDivisionError: .* \(in work, .*:\d+\)") as told:
        list(drive(client, work, range(10), name=name))
    assert isinstance(told.value.__cause__, ZeroDivisionError)


class Stubborn(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


def test_an_exception_that_pickle_loses_is_told_all_the_same(client: Client) -> None:
    def work(number: int) -> int:
        raise Stubborn("one", "two")

    with pytest.raises(ImagemillError, match="make-00001: Stubborn: one"):
        list(drive(client, work, [1], name=name))


def test_c_code_that_hangs_with_the_interpreter_lock_is_ended(client: Client) -> None:
    def work(numbers: Numbers) -> list[str]:
        if POISON in numbers:
            ctypes.PyDLL(None).sleep(600)  # PyDLL keeps the lock
        return [str(number) for number in numbers]

    started = time.monotonic()
    outcomes = list(
        drive(client, work, units(6, 2), name=name, halves=halves, poisoned=poisoned, timeout=lambda item: len(item))
    )
    assert numbers_of(outcomes) == list(range(12))
    assert [o.result for o in outcomes if o.item == (POISON,)] == [[f"{POISON} timeout: not done within 1 s"]]
    assert time.monotonic() - started < 15  # one attempt in the cluster, not four


def test_what_runs_out_of_memory_alone_is_told_as_that(client: Client) -> None:
    def work(numbers: Numbers) -> list[str]:
        if POISON in numbers:
            raise MemoryError
        return [str(number) for number in numbers]

    outcomes = list(drive(client, work, units(3, 4), name=name, halves=halves, poisoned=poisoned))
    assert numbers_of(outcomes) == list(range(12))
    assert [o.result for o in outcomes if o.item == (POISON,)] == [[f"{POISON} out_of_memory: no memory was left"]]


def test_a_process_alone_is_killed_at_its_memory_limit() -> None:
    def work(size: int) -> None:
        held = bytearray(b"x" * size)
        time.sleep(600 + len(held))

    died = alone(cloudpickle.dumps(work), cloudpickle.dumps(1_000_000_000), limit=30, memory=500_000_000)
    assert died == Died("out_of_memory", "more than 0.5 GB of memory were needed")


def test_a_process_alone_tells_an_exception_as_a_value() -> None:
    failed = alone(cloudpickle.dumps(int), cloudpickle.dumps("x"), limit=None, memory=None)
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.what) == ("bug", "ValueError: invalid literal for int() with base 10: 'x'")


def test_when_all_workers_stay_away_the_drive_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive_module, "PATIENCE", 1.0)
    monkeypatch.setattr(drive_module, "LOOK_EVERY", 0.1)

    def drive_while_workers_leave(client: Client) -> None:
        for _ in drive(client, str, itertools.count(), name=name):
            client.cluster.scale(0)

    with connect(1) as client, pytest.raises(ImagemillError, match="All Dask workers are gone"):
        drive_while_workers_leave(client)


def test_when_the_scheduler_dies_the_drive_ends_and_says_so(tmp_path: Path) -> None:
    silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    file = tmp_path / "scheduler.json"
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--scheduler-file", str(file), "--no-dashboard"]

    with subprocess.Popen([*start, "--host", "127.0.0.1", "--port", "0"], **silent) as scheduler:
        while not file.exists():
            assert scheduler.poll() is None
            time.sleep(0.02)
        address = json.loads(file.read_text())["address"]
        join = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]

        def drive_until_it_dies(client: Client) -> None:
            for number, _ in enumerate(drive(client, str, itertools.count(), name=name)):
                if number == 3:
                    scheduler.kill()

        with subprocess.Popen(join, env=environment, **silent) as worker:
            try:
                with (
                    connect(address=address) as client,
                    pytest.raises(ImagemillError, match=r"scheduler at .* is gone"),
                ):
                    drive_until_it_dies(client)
            finally:
                scheduler.kill()
                worker.terminate()
