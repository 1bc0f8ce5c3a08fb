"""Faults really injected: what kills a process, a killed driver or worker, a full disk, another's scheduler."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import ROOT, Command, free_port
from tests.tasks.run.serial import files

PIPELINES = ROOT / "pipelines.yaml"

POISON = """
import os, signal
from tasks.operation import Filter

class Fragile(Filter):
    \"\"\"Die of pictures that are 97 pixels wide.\"\"\"

    def filter(self, pixels, **params):
        if pixels.shape[1] == 97:
            os.kill(os.getpid(), signal.SIGSEGV)
        return pixels
"""

FRAGILE = """
version: 1
pipelines:
  fragile:
    source: {path: my photos}
    output: out
    steps:
      - fragile: {}
        use: my_ops:Fragile
      - resize: {size: 32}
    cluster: {workers: 2}
"""

SLOW = """
import time
from collections.abc import Callable
from pathlib import Path
from tasks.operation import Filter

class Slow(Filter):
    \"\"\"Take a while for each picture, and say so in a file.\"\"\"

    def filter(self, pixels, **params):
        with (Path(__file__).parent / "progress").open("a") as file:
            file.write("x")
        time.sleep(0.15)
        return pixels
"""

SLOWLY = FRAGILE.replace("fragile", "slow").replace("Fragile", "Slow")


def test_an_image_that_kills_its_process_is_rejected_alone(command: Command, photos: Path) -> None:
    import imageio.v3
    import numpy as np

    noise = np.random.default_rng(1).integers(0, 256, (60, 97, 3), dtype=np.uint8)
    imageio.v3.imwrite(photos / "photos" / "killer.png", noise)
    (command.folder / "my_ops.py").write_text(POISON)
    (command.folder / "pipelines.yaml").write_text(FRAGILE)
    result = command.run("fragile")
    rejected = {row["uri"]: row for row in pq.read_table(command.folder / "out" / "rejected").to_pylist()}
    assert rejected["photos/killer.png"]["reason"] == "crashed"
    assert result["reasons"]["crashed"] == 1
    assert result["sources"] == sum(len(names) for _, _, names in os.walk(photos))


def _await(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the run did not get under way"
        time.sleep(0.02)


def _await_progress(file: Path, marks: int, process: subprocess.Popen[str]) -> None:
    _await(lambda: file.exists() and file.stat().st_size >= marks, process)


def _slow(command: Command) -> Command:
    (command.folder / "my_ops.py").write_text(SLOW)
    (command.folder / "pipelines.yaml").write_text(SLOWLY)
    return command


def test_a_second_run_into_the_same_dataset_fails_at_once(command: Command, photos: Path) -> None:
    _slow(command)
    first = command.start("run", "slow", "--json", "--quiet")
    _await_progress(command.folder / "progress", 1, first)
    second = command("run", "slow", "--json")
    assert second.code == 1
    assert "another run is writing this dataset" in second.json["error"]
    _, err = first.communicate(timeout=200)
    assert first.returncode == 0, err


def test_a_full_disk_is_a_clear_error_and_the_next_run_goes_on(
    command: Command, photos: Path, quickstart: Path
) -> None:
    small = command.folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", small], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system of a fixed size can be mounted here: {mounted.stderr.decode()}")
    try:
        arguments = ("run", "quickstart", "--file", PIPELINES, "--source", photos, "--output", small / "out", "--json")
        full = command(*arguments)
        assert full.code == 1
        assert "No space left" in full.json["error"]
        assert "Traceback" not in full.err
        assert not list((small / "out").glob("**/versions/*.json"))
        subprocess.run(["mount", "-o", "remount,size=80m", small], check=True)
        assert command(*arguments).code == 0
        assert files(small / "out") == files(quickstart)
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_scheduler_that_runs_elsewhere_does_the_work(command: Command, photos: Path, quickstart: Path) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    parts = [
        ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
        ["worker", address, "--nthreads", "1", "--no-dashboard"],
    ]
    environment = {**command.environment, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + part[0], *part[1:]],
            cwd=command.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for part in parts
    ]
    try:
        options = ("--source", photos, "--output", "remote", "--scheduler", address)
        command.run("quickstart", "--file", PIPELINES, *options)
        assert files(command.folder / "remote") == files(quickstart)
    finally:
        for process in started:
            process.terminate()
            process.wait(30)


def test_a_scheduler_that_is_not_there_exits_2(command: Command, photos: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    done = command(
        "run", "quickstart", "--file", PIPELINES, "--source", photos, "--output", "o", "--scheduler", address
    )
    assert done.code == 2
    assert address in done.err


def test_runs_killed_at_random_moments_end_with_the_bytes_of_an_undisturbed_one(command: Command) -> None:
    """Driver, worker, both; ``python benchmarks/kill.py`` does twenty."""
    program = [
        sys.executable,
        ROOT / "benchmarks" / "kill.py",
        "--rounds",
        "3",
        "--count",
        "0",
        "--seed",
        "5",
        "--json",
    ]
    done = subprocess.run([str(part) for part in program], env=command.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rounds = json.loads(done.stdout)
    assert [one["victim"] for one in rounds] == ["driver", "worker", "both"]
    assert [one["problems"] for one in rounds] == [[], [], []]
    assert all(one["made"] < one["sources"] for one in rounds if one["staged"]), "what was staged was not taken up"
