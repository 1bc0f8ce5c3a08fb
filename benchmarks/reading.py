"""Images a second that training reads, decoded to arrays: imagemill against Hugging Face datasets and WebDataset.

One dataset, made once and exported once; each reader in a process of its own, one thread, in turn and several rounds,
since machines are shared and noisy: compare by ratio. Shuffled streams draw from a buffer of 1,000 rows.

    python benchmarks/reading.py                       # 10,000 photographs of 256 px, 3 rounds
    python benchmarks/reading.py --dataset results/quickstart --split train --rounds 5
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BUFFER = 1000
RANDOM_ROWS = 1000
PIPELINE = """
version: 1
pipelines:
  reading:
    source: {{path: {source}, labels: none}}
    steps:
      - resize: {{size: [256, 256]}}
    outputs: {{images: {{from: resize, shard: 32MB}}}}
"""


def main() -> None:
    """Run the contenders in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--dataset", type=Path, help="an imagemill dataset; by default made from scikit-image's pictures"
    )
    parser.add_argument("--split", default="train")
    parser.add_argument("--count", type=int, default=10_000, help="how many images, where they are made")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--one", nargs=3, metavar=("READER", "DATASET", "TARS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        reader, dataset, tars = options.one
        print(json.dumps(timed(reader, Path(dataset), Path(tars), options.split)))
        return
    with tempfile.TemporaryDirectory(prefix="imagemill-bench-") as folder:
        work = Path(folder)
        dataset = options.dataset or made(work, options.count)
        tars = work / "tars"
        command = [
            sys.executable,
            "-m",
            "flows.cli",
            "export",
            str(dataset),
            "--to",
            "webdataset",
            "--output",
            str(tars),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        figures: dict[str, list[float]] = {name: [] for name in READERS}
        for number in range(options.rounds):
            for name in READERS:
                figures[name].append(apart(name, dataset, tars, options.split))
            print(f"round {number + 1} of {options.rounds} done", file=sys.stderr)
    show(figures, options.json)


def made(work: Path, count: int) -> Path:
    """Make the dataset without a scheduler."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from benchmarks.throughput import collect
    from tests.tasks.run.serial import serial

    collect(work / "photos", None, count)
    (work / "pipelines.yaml").write_text(PIPELINE.format(source=work / "photos"))
    serial(work / "pipelines.yaml", "reading", work / "dataset")
    return work / "dataset"


def apart(name: str, dataset: Path, tars: Path, split: str) -> float:
    """Give images a second of one reader, in a process of its own."""
    command = [sys.executable, __file__, "--split", split, "--one", name, str(dataset), str(tars)]
    one = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **one})
    return float(json.loads(done.stdout.splitlines()[-1]))


def timed(name: str, dataset: Path, tars: Path, split: str) -> float:
    """Time one reader from its first image to its last: opening and indexing are not counted."""
    images = READERS[name](dataset, tars, split)
    assert next(images).ndim == 3
    start, count = time.perf_counter(), 0
    for image in images:
        count += image.shape[2] == 3
    return count / (time.perf_counter() - start)


def mill_stream(dataset: Path, tars: Path, split: str) -> Iterator[Any]:
    import imagemill

    rows = imagemill.open(dataset).rows(split=split, columns=["image"])
    return (row["image"] for row in rows.stream(buffer=BUFFER))


def mill_in_order(dataset: Path, tars: Path, split: str) -> Iterator[Any]:
    import imagemill

    return (row["image"] for row in imagemill.open(dataset).rows(split=split, columns=["image"]))


def mill_random(dataset: Path, tars: Path, split: str) -> Iterator[Any]:
    import imagemill

    rows = imagemill.open(dataset).rows(split=split, columns=["image"])
    return (rows[i]["image"] for i in numbers(len(rows)))


def hugging_stream(dataset: Path, tars: Path, split: str) -> Iterator[Any]:
    import datasets
    import numpy as np

    files = [str(path) for path in sorted((dataset / "data").glob(f"{split}-*.parquet"))]
    rows = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True, columns=["image"])
    return (np.asarray(row["image"]) for row in rows.shuffle(seed=0, buffer_size=BUFFER))


def hugging_random(dataset: Path, tars: Path, split: str) -> Iterator[Any]:
    import datasets
    import numpy as np

    files = [str(path) for path in sorted((dataset / "data").glob(f"{split}-*.parquet"))]
    cache = tempfile.mkdtemp(dir=tars.parent)
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache, columns=["image"])
    return (np.asarray(rows[i]["image"]) for i in numbers(len(rows)))


def web_stream(dataset: Path, tars: Path, split: str) -> Iterator[Any]:
    import webdataset

    shards = [str(path) for path in sorted(tars.glob(f"{split}-*.tar"))]
    rows = webdataset.WebDataset(shards, shardshuffle=len(shards), seed=0).shuffle(BUFFER).decode("rgb8")
    return (row["jpg"] for row in rows)


def numbers(rows: int) -> list[int]:
    import random

    return random.Random(0).sample(range(rows), min(rows, RANDOM_ROWS))


READERS: dict[str, Callable[[Path, Path, str], Iterator[Any]]] = {
    "imagemill, shuffled stream": mill_stream,
    "imagemill, in order": mill_in_order,
    "datasets, shuffled stream": hugging_stream,
    "webdataset, shuffled stream": web_stream,
    "imagemill, rows at random": mill_random,
    "datasets, rows at random (Arrow copy)": hugging_random,
}


def show(figures: dict[str, list[float]], as_json: bool) -> None:
    """Print images a second, and the median over the rounds of each round's ratio to imagemill's stream."""
    first = figures["imagemill, shuffled stream"]
    rows = []
    for name, rates in figures.items():
        ratio = statistics.median(rate / own for rate, own in zip(rates, first, strict=True))
        rows.append({"name": name, "images_per_second": round(statistics.median(rates)), "ratio": round(ratio, 2)})
    if as_json:
        print(json.dumps(rows))
        return
    print("| reader | images/s | ratio |\n|---|---:|---:|")
    for row in rows:
        print(f"| {row['name']} | {row['images_per_second']:,} | {row['ratio']:.2f} |")


if __name__ == "__main__":
    main()
