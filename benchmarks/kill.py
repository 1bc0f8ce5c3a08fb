"""Kill -9 at random moments of a run - its driver, a worker, or both - and compare what the resumed run ends with.

    python benchmarks/kill.py                             # 20 rounds over 1,500 images, two workers
    python benchmarks/kill.py --rounds 3 --count 0 --seed 7

Each round starts a run into a new dataset, waits for a phase that is drawn (the folder is held, the first unit is
staged, the first shard sealed, the version committed), then for a moment drawn uniformly from what an undisturbed run
spends in it, kills, and runs again. Then the dataset must hold the same files with the same bytes as that of the
undisturbed run (shards, rejected, measures, decisions), none beside them, and pass `imagemill verify`. Exit code 1
where one does not. With PREFECT_API_URL the runs report there, else to a server of the benchmark's own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from throughput import collect

from tasks.run.verify import verify
from tasks.store.local import PAGES

ROOT = Path(__file__).parents[1]
VICTIMS = ("driver", "worker", "both")
SIGNS = {  # that a phase has begun, in the house
    "held": "staging",
    "staged": "staging/unit-*.arrow",
    "sealed": "objects/*/*.parquet",
    "committed": "versions/*.json",
}
TOLD = {"lock", "viewed", "written", *PAGES}  # they name process, run, time and version


@dataclass(frozen=True)
class Round:
    """One kill and what came of it; ``staged`` are the units that lay there when it fell."""

    victim: str
    sign: str
    after: float
    phase: str
    staged: int
    made: int
    sources: int
    problems: list[str]


def main() -> None:
    """Run all rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--count", type=int, default=1500, help="how many photographs beside the sample collection")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the rounds as JSON")
    options = parser.parse_args()
    rng, rounds = random.Random(options.seed), []
    with tempfile.TemporaryDirectory(prefix="imagemill-kill-") as folder, reporting():
        work = Path(folder)
        source = work / "source"
        shutil.copytree(ROOT / "data" / "sample" / "quickstart", source)
        if options.count:
            collect(source / "more", None, options.count)
        lasted = undisturbed(source, work / "undisturbed")
        expected = contents(work / "undisturbed")
        say(options.json, f"undisturbed, seconds in each phase: {lasted}; {len(expected)} files")
        say(options.json, f"{'':>3}{'killed':>8}{'at':>20}  {'in':<14}{'staged':>7}{'made again':>14}  result")
        for number in range(options.rounds):
            sign, victim = rng.choice(list(SIGNS)), VICTIMS[number % 3]
            after = rng.uniform(0, lasted[sign])
            process = begin(source, work / "disturbed")
            phase, staged = strike(process, work / "disturbed", sign, after, victim, rng)
            result = finished(begin(source, work / "disturbed"))
            problems = differing(expected, contents(work / "disturbed")) + verify(work / "disturbed")["problems"]
            counts = result["made"], result["sources"]
            rounds.append(Round(victim, sign, round(after, 2), phase, staged, *counts, problems))
            say(options.json, line(number + 1, rounds[-1]))
            shutil.rmtree(work / "disturbed")
    if options.json:
        print(json.dumps([asdict(one) for one in rounds]))
    sys.exit(1 if any(one.problems for one in rounds) else 0)


def say(as_json: bool, text: str) -> None:
    """Print a line at once, unless a program reads the output."""
    if not as_json:
        print(text, flush=True)


def line(number: int, one: Round) -> str:
    """Say one round in a line."""
    moment, again = f"{one.sign} + {one.after:.2f} s", f"{one.made} of {one.sources}"
    result = "; ".join(one.problems) or "same bytes"
    return f"{number:>3}{one.victim:>8}{moment:>20}  {one.phase:<14}{one.staged:>7}{again:>14}  {result}"


@contextmanager
def reporting() -> Iterator[None]:
    """Have a server for all runs: without one each would start its own."""
    if os.environ.get("PREFECT_API_URL"):
        yield
        return
    from flows.server import Server
    from flows.settings import isolate

    isolate()
    server = Server()
    try:
        server.ready()
        os.environ["PREFECT_API_URL"] = server.url
        yield
    finally:
        server.stop()


def begin(source: Path, output: Path) -> subprocess.Popen[str]:
    """Start a run."""
    options = ["--source", source, "--output", output, "--workers", "2", "--quiet", "--json"]
    command = [sys.executable, "-m", "flows.cli", "run", "quickstart", "--file", ROOT / "pipelines.yaml", *options]
    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str]) -> dict[str, int]:
    """Wait for a run that must succeed, and give its result."""
    out, err = process.communicate()
    if process.returncode:
        raise SystemExit(f"the run failed: {err}")
    found: dict[str, int] = json.loads(out)
    return found


def wait_for(sign: str, process: subprocess.Popen[str], output: Path) -> float:
    """Wait until a run shows a sign of life, and give when that was."""
    while process.poll() is None and not any((output / ".imagemill").glob(SIGNS[sign])):
        time.sleep(0.005)
    return time.monotonic()


def undisturbed(source: Path, output: Path) -> dict[str, float]:
    """Run once, and give the seconds that each phase takes."""
    process = begin(source, output)
    times = {sign: wait_for(sign, process, output) for sign in SIGNS}
    finished(process)
    ends = [*list(times.values())[1:], time.monotonic()]
    return {sign: round(end - start, 2) for (sign, start), end in zip(times.items(), ends, strict=True)}


def strike(
    process: subprocess.Popen[str], output: Path, sign: str, after: float, victim: str, rng: random.Random
) -> tuple[str, int]:
    """Kill at the moment; give the phase that it fell in, and how many units were staged."""
    start = wait_for(sign, process, output)
    while process.poll() is None and (
        time.monotonic() < start + after or (victim == "worker" and not workers(process))
    ):
        time.sleep(0.002)
    phase, staged = ("ended before", 0) if process.poll() is not None else seen(output)
    kill(process, victim, rng)
    process.communicate()
    with suppress(ProcessLookupError):  # what a dead driver leaves ends by itself, but the machine is wanted now
        os.killpg(process.pid, signal.SIGKILL)
    return phase, staged


def seen(output: Path) -> tuple[str, int]:
    """Tell from the files how far a run is."""
    house = output / ".imagemill"
    staged = len(list(house.glob(SIGNS["staged"])))
    if any(house.glob("versions/*.json")):
        return "committed", staged
    if any(house.glob(SIGNS["sealed"])):
        return "sealing", staged
    return ("making" if staged else "starting"), staged


def kill(process: subprocess.Popen[str], victim: str, rng: random.Random) -> None:
    """Kill a run's driver, one of its workers, or all of its processes, without a word."""
    with suppress(ProcessLookupError, psutil.NoSuchProcess, IndexError):  # it ended in this moment
        if victim == "both":
            os.killpg(process.pid, signal.SIGKILL)
        elif victim == "driver":
            process.kill()
        else:
            rng.choice(workers(process)).kill()


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Give the processes that do the work: the nannies' children."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "spawn_main" in " ".join(child.cmdline()) and not child.children():
                found.append(child)
    return found


def contents(dataset: Path) -> dict[str, str]:
    """Give the SHA-256 of every file; of those that name run and time only that they are there."""
    found = {}
    for path in sorted(path for path in dataset.rglob("*") if path.is_file()):
        if path.parent.name != "index":  # a cache, written by runs that commit nothing
            told = path.name in TOLD or path.parent.name in ("versions", "lineage")
            found[str(path.relative_to(dataset))] = "" if told else hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def differing(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """Say which files are missing, stray, or of other bytes."""
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [f"{name} is stray" for name in found if name not in expected]
    return problems + [f"{name} differs" for name in expected if name in found and expected[name] != found[name]]


if __name__ == "__main__":
    main()
