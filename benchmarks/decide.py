"""Memory and time of deciding on many measured rows, simulated: 10 million by default, leaf by leaf as a run has them.

Every tenth row is a near copy of another (at most 12 of 256 bits flipped), every hundredth has equal bytes. What is
printed is this process's peak, the decisions included; half of the rows would cost half of it.

    python benchmarks/decide.py                        # 10,000,000 rows
    python benchmarks/decide.py --rows 1000000 --json
    python benchmarks/decide.py --distance 60 --balance  # as far as phash searches by default, and classes to balance
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.pipeline.graph import build
from tasks.pipeline.spec import thaw
from tasks.run.decide import Verdicts
from tasks.run.discover import LEAF_SOURCES
from tasks.run.job import Stage, staged
from tasks.run.verdicts import Fates, fates
from tasks.store.keys import KEY
from tasks.store.schema import Contents

CLASSES = 10  # of which the first has half of the rows, the second a quarter, ...


def steps(distance: int, balance: bool) -> list[dict[str, Any]]:
    return [
        {"screen": {"dark": {"below": 0.3}}, "id": "screen"},
        {"deduplicate": {"method": "exact"}, "id": "exact"},
        {"deduplicate": {"method": "phash", "distance": distance}, "id": "near"},
        {"odd_size": {}, "id": "odd_size"},
        *([{"balance": {"ratio": 10}, "id": "balance"}] if balance else []),
        {"split": {"train": 0.8, "test": 0.2}, "id": "split"},
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--leaf", type=int, default=LEAF_SOURCES, help="rows a leaf, at most")
    parser.add_argument("--distance", type=int, default=24, help="bits that near copies may differ in, 24 if not said")
    parser.add_argument("--balance", action="store_true", help="give the rows classes, and balance them")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    before, start = peak(), time.perf_counter()
    verdicts = simulated(options.rows, options.leaf, options.distance, options.balance)
    verdicts.decide()
    found = {
        "rows": options.rows,
        "leaves": len(verdicts),
        "left": {step: table.num_rows for step, table in verdicts.left.items()},
        "seconds": round(time.perf_counter() - start, 1),
        "peak_mb": peak(),
        "peak_before_mb": before,
        "bytes_a_row": round((peak() - before) * 1e6 / options.rows),
    }
    print(json.dumps(found) if options.json else "\n".join(f"{name}: {value}" for name, value in found.items()))


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 10**6


def simulated(rows: int, leaf: int, distance: int = 24, balance: bool = False) -> Verdicts:
    """Give a run's rows as they stand before it decides: measured, none decided."""
    pipeline = {"version": 1, "name": "simulated", "source": {"path": "."}, "steps": steps(distance, balance)}
    stage = staged(build(thaw({**pipeline, "outputs": {"images": {}}}, Path())), Contents())
    bits = max(0, -(-rows // leaf) - 1).bit_length()
    leaves = [f"{i:0{bits}b}" if bits else "all" for i in range(1 << bits)]
    return Verdicts(stage, leaves, loading(stage, rows >> bits, bits, balance), {})


def loading(stage: Stage, rows: int, bits: int, labelled: bool) -> Callable[[str], Fates]:
    def load(prefix: str) -> Fates:
        number = 0 if prefix == "all" else int(prefix, 2)
        rng = np.random.default_rng(number)
        keys = rng.integers(0, 256, (rows, 32), dtype=np.uint8)
        heads = (keys[:, :8].copy().view(">u8")[:, 0] >> np.uint64(bits)) | np.uint64(
            number << (64 - bits) if bits else 0
        )
        keys[:, :8] = np.sort(heads).astype(">u8").view(np.uint8).reshape(-1, 8)
        hashes, shas = (words(number, kind, rows) for kind in (1, 2))
        other = max(0, number - 1)  # copies are of the leaf before, so that groups cross leaves
        near, same = np.arange(5, rows, 10), np.arange(3, rows, 100)
        copies = np.unpackbits(words(other, 1, rows)[near - 5], axis=1)
        copies[np.arange(len(near))[:, None], rng.integers(0, 256, (len(near), 12))] ^= 1
        hashes[near], shas[same] = np.packbits(copies, axis=1), words(other, 2, rows)[same - 3]
        return fates(listing(keys, labelled), measures(stage, keys, hashes, shas, rng), all_frames=False)

    return load


def words(number: int, kind: int, rows: int) -> np.ndarray:
    return np.random.default_rng([number, kind]).integers(0, 256, (rows, 32), dtype=np.uint8)


def listing(keys: np.ndarray, labelled: bool) -> pa.Table:
    rows = len(keys)
    labels = pa.nulls(rows, pa.string())
    if labelled:  # by bytes of the key that neither leaves nor draws of `balance` go by
        drawn = keys[:, 30].astype(np.uint16) << 8 | keys[:, 31]
        numbers = np.clip(15 - np.log2(np.maximum(drawn, 1)).astype(np.int64), 0, CLASSES - 1)
        labels = pa.array([f"class {i}" for i in range(CLASSES)]).take(pa.array(numbers))
    uris = pa.array([f"photos/2026/{key[:6].tobytes().hex()}/{i:08}.jpg" for i, key in enumerate(keys)])
    columns = {"uri": uris, "label": labels, "split": pa.repeat("train", rows)}
    return pa.table({"key": binary(keys), **columns, "partition": pa.nulls(rows, pa.string())})


def measures(
    stage: Stage, keys: np.ndarray, hashes: np.ndarray, shas: np.ndarray, rng: np.random.Generator
) -> pa.Table:
    rows = len(keys)
    known = {
        "key": binary(keys),
        "frame": pa.array(np.zeros(rows, dtype=np.int32)),
        "sha256": binary(shas),
        "bytes": pa.array(rng.integers(10_000, 900_000, rows)),
        "width": pa.array(rng.integers(300, 900, rows, dtype=np.int32)),
        "height": pa.array(rng.integers(300, 900, rows, dtype=np.int32)),
        "near.phash": binary(hashes),
        "screen.dark": pa.array(rng.random(rows)),
    }
    columns = [known.get(field.name, pa.nulls(rows, field.type)) for field in stage.measures]
    return pa.Table.from_arrays(
        [one.cast(field.type) for one, field in zip(columns, stage.measures, strict=True)], schema=stage.measures
    )


def binary(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(KEY, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


if __name__ == "__main__":
    main()
