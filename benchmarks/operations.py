"""Milliseconds an operation takes on a 512 x 512 RGB uint8 image, beside what others take for the same result.

One thread, one process; all contenders of an operation take turns, round by round, since machines are shared and noisy:
compare by ratio. Values are medians. scikit-image works in floating point; turning its result into uint8 is counted.
Albumentations is not a dependency: where it is not installed its column shows "-".

    pip install albumentations                    # if it is to be compared
    python benchmarks/operations.py               # the table on standard output
    python benchmarks/operations.py --only resize,hog --rounds 9
    python benchmarks/operations.py --write docs/timings.md
"""

from __future__ import annotations

import os

os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1"})

import argparse
import gc
import importlib.metadata
import json
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from references import DRAWN, FEATURES, FIXED, IMAGE, OTHER, Case

from tasks.image.sample import Base, Sample
from tasks.operation import Feature, KeyedDraws, Step, perform, registry

LEAST = 0.02  # seconds that a measurement lasts at least: quick calls are repeated
MOST = 3.0  # seconds an operation's contender gets in all: slow ones have fewer rounds
OTHERS = ("scikit-image", "OpenCV", "Albumentations")
LEVELS = 255


def main() -> None:
    """Measure and print, or write, the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of operations, with commas")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--write", type=Path, help="write the page there")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore")
    wanted = options.only.split(",") if options.only else None
    cases = [*FIXED, *(replace(one, drawn=True) for one in DRAWN), *FEATURES]
    unknown = set(wanted or ()) - {case.name for case in cases}
    if unknown:
        parser.error(f"nothing to compare {', '.join(sorted(unknown))} with")
    with tempfile.TemporaryDirectory() as folder:
        other = str(Path(folder) / "other.png")
        cv2.imwrite(other, cv2.cvtColor(OTHER, cv2.COLOR_RGB2BGR))
        rows = []
        for case in cases:
            if wanted is None or case.name in wanted:
                given = {key: other if value == "{other}" else value for key, value in case.parameters.items()}
                rows.append(measured(replace(case, parameters=given), options.rounds))
                print(rows[-1], file=sys.stderr)
    if options.json:
        print(json.dumps(rows))
    elif options.write:
        options.write.write_text(page(rows, options.rounds))
    else:
        print("\n".join(table(rows)))


def measured(case: Case, rounds: int) -> dict[str, Any]:
    """Let the contenders take turns; give each one's median in milliseconds, and how far the results are apart."""
    calls = {"imagemill": ours(case), **dict(theirs(case))}
    results = {name: call() for name, call in calls.items()}  # warm: tables, kernels and imports are made once
    taken: dict[str, list[float]] = {name: [] for name in calls}
    gc.disable()
    for _ in range(rounds):
        for name, call in calls.items():
            if sum(taken[name]) < MOST:
                taken[name].append(once(call))
    gc.enable()
    row: dict[str, Any] = {name: statistics.median(times) * 1000 for name, times in taken.items()}
    compared = not case.drawn and not issubclass(registry()[case.name], Feature)
    apart = {name: distance(results["imagemill"], results[name]) for name in OTHERS if name in results and compared}
    return {"operation": case.name, **row, "apart": {name: value for name, value in apart.items() if value is not None}}


def once(call: Callable[[], Any]) -> float:
    """Give the seconds of one call, of as many as fill the least time."""
    start = time.perf_counter()
    for number in count(1):
        call()
        if (passed := time.perf_counter() - start) >= LEAST:
            return passed / number
    raise AssertionError


def ours(case: Case) -> Callable[[], Any]:
    """Give a call that does what a pipeline's step does: draw for one more image, apply, give the pixels."""
    kind = registry()[case.name]
    certain = {"p": 1} if "p" in kind.model_fields else {}
    operation = kind(**certain, **case.parameters)
    if isinstance(operation, Feature):
        return lambda: operation.extract(IMAGE)
    step, draws, numbers = Step(id=case.name, operation=operation), KeyedDraws(7), count()

    def call() -> Any:
        sample = Sample(Base(IMAGE), str(next(numbers)).encode())
        return perform(step, sample, case.name, draws).picture()

    return call


def theirs(case: Case) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give a call of each library that has the operation, and is installed."""
    feature = issubclass(registry()[case.name], Feature)
    if case.scikit_image is not None:
        call = case.scikit_image
        yield "scikit-image", lambda: call(IMAGE) if feature else in_levels(call(IMAGE))
    if case.opencv is not None:
        opencv = case.opencv
        yield "OpenCV", lambda: opencv(IMAGE)
    library = albumentations()
    if case.albumentations is not None and library is not None:
        name, parameters = case.albumentations
        transform = getattr(library, name)(**parameters, p=1)
        yield "Albumentations", lambda: transform(image=IMAGE)["image"]


def albumentations() -> ModuleType | None:
    """Give the library, where it is installed."""
    try:
        import albumentations as library
    except ImportError:
        return None
    return library


def in_levels(values: Any) -> Any:
    """Give fractions as uint8; what is in other units stays."""
    values = np.asarray(values)
    if values.dtype.kind != "f":
        return values
    return np.clip(values * LEVELS + 0.5, 0, LEVELS).astype(np.uint8)


def distance(made: Any, other: Any) -> float | None:
    """Give the mean distance in levels, where both are pictures of one kind."""
    made, other = np.squeeze(made), np.squeeze(other)
    if made.shape != other.shape or made.dtype != other.dtype:
        return None
    scale = 1 if made.dtype == np.uint8 else LEVELS
    return float(np.abs(made.astype(np.float64) - other).mean()) * scale


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Give the lines of a Markdown table; the ratio is our time to the quickest of the others."""
    lines = [
        f"| operation | imagemill | {' | '.join(OTHERS)} | ratio to the quickest | levels apart |",
        "|---|" + "---:|" * (len(OTHERS) + 3),
    ]
    for row in rows:
        times = [row[name] for name in OTHERS if name in row]
        ratio = f"{row['imagemill'] / min(times):.2f}" if times else "-"
        cells = [shown(row.get(name)) for name in ("imagemill", *OTHERS)]
        apart = min(row["apart"].values(), default=None)
        lines.append(f"| {row['operation']} | {' | '.join(cells)} | {ratio} | {shown(apart)} |")
    return lines


def shown(value: float | None) -> str:
    """Write a number with three digits that count."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def page(rows: list[dict[str, Any]], rounds: int) -> str:
    """Give the page of the documentation."""
    versions = []
    for name in ("opencv-python-headless", "scikit-image", "numpy", "albumentations"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    ratios = [
        row["imagemill"] / min(row[name] for name in OTHERS if name in row)
        for row in rows
        if any(name in row for name in OTHERS)
    ]
    about = (
        "Milliseconds for one 512 x 512 RGB uint8 image, one thread, beside what other libraries take for the same "
        "result. Written by `python benchmarks/operations.py --write docs/timings.md`; medians of up to "
        f"{rounds} rounds in which all take turns. {platform.machine()}, "
        f"{os.cpu_count()} CPUs at a load of {os.getloadavg()[0]:.1f}, {', '.join(versions)}."
    )
    read = (
        f"{len(ratios)} operations have a reference here; the median ratio of our time to the quickest of the others "
        f"is {statistics.median(ratios):.2f}. Ours is the time of a pipeline's step: drawing, applying and recording; "
        "turning scikit-image's floating point into uint8 is counted as its own. *Levels apart*: the mean distance to "
        "the nearest of the others' results, of 255, where both give the same kind of picture and nothing is drawn."
    )
    return "\n\n".join(["# Timings", about, read, "\n".join(table(rows))]) + "\n"


if __name__ == "__main__":
    main()
