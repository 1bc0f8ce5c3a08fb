"""Verify: whether a dataset is as it was committed, and can be made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import Rejected
from tasks.load.codecs import decode, read_header
from tasks.run.replay import Replayer
from tasks.store.dataset import Dataset, open_dataset
from tasks.store.local import sha256_of


def verify(root: str | Path, sample: int | None = 20) -> dict[str, Any]:
    """Check every checksum, the sum of the sources, that images decode; replay ``sample`` rows (None: all).

    Gives counts and ``problems``: one sentence each, empty where all is as it was committed.
    """
    dataset = open_dataset(root)
    problems = [*_files(dataset), *_views(dataset)]
    rows = sum(entry["rows"] for entry in dataset.version["files"])
    replayed = 0
    if not problems:
        problems += _sum(dataset)
        replayer = Replayer(dataset)
        for output, row in _rows(dataset, sample):
            problems += _undecodable(output, row)
            found = replayer.replay(row, output)
            replayed += 1
            if not found["same"]:
                problems.append(f"{output}: {row['id']} ({found['uri']}): {found['message']}")
    files = sum(len(dataset.version[name]) for name in ("files", "rejected", "measures", "decisions"))
    return {
        "dataset": str(root),
        "version": dataset.version["version"],
        "files": files,
        "rows": rows,
        "replayed": replayed,
        "problems": problems,
    }


def _files(dataset: Dataset) -> Iterator[str]:
    for name in ("files", "rejected", "measures", "decisions"):
        for entry in dataset.version[name]:
            path = dataset.store.path(entry["object"])
            if not path.is_file():
                yield f"{entry['object']}: missing"
            elif path.stat().st_size != entry["bytes"] or sha256_of(path) != entry["sha256"]:
                yield f"{entry['object']}: tampered with or damaged: its SHA-256 is not the one that was committed"


def _views(dataset: Dataset) -> Iterator[str]:
    for entry in (*dataset.version["files"], *dataset.version["rejected"]):
        view = dataset.store.root / entry["path"]
        if not view.is_file():
            yield f"{entry['path']}: missing; the next `imagemill run` puts it back"
        elif not view.samefile(dataset.store.path(entry["object"])) and sha256_of(view) != entry["sha256"]:
            yield f"{entry['path']}: tampered with: not the file that was committed"


def _sum(dataset: Dataset) -> Iterator[str]:
    """Check that every measured source is in an output or rejected, and in no place twice."""
    kept: set[str] = set()
    for output in dataset.outputs:
        ids = dataset.table(output, columns=["id"]).column("id").to_pylist()
        if len(set(ids)) != len(ids):
            yield f"{output}: an id stands twice"
        kept.update(_source(name) for name in ids)
    rejected = set(dataset.rejected.column("id").to_pylist())
    counts = dataset.version["counts"]
    if kept & rejected:
        yield f"{len(kept & rejected)} sources are kept and rejected, such as {min(kept & rejected)}"
    if len(kept) + len(rejected) != counts["listed"]:
        yield f"listed {counts['listed']} is not kept {len(kept)} + rejected {len(rejected)}"


def _source(name: str) -> str:
    parts = name.split(".")
    framed = len(parts) > 1 and parts[1][:1] == "f" and parts[1][1:].isdigit()
    return ".".join(parts[: 2 if framed else 1])


def _rows(dataset: Dataset, sample: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give all rows, or the first ``sample`` of each output: ids are hashes, so their order is random."""
    for output in dataset.outputs:
        left = sample
        for path in dataset.files(output):
            for batch in pq.ParquetFile(path, page_checksum_verification=True).iter_batches(batch_size=32):
                taken: pa.RecordBatch = batch if left is None else batch.slice(0, left)
                left = None if left is None else left - len(taken)
                for row in taken.to_pylist():
                    yield output, row


def _undecodable(output: str, row: dict[str, Any]) -> Iterator[str]:
    image = row.get("image")
    if image is None:
        return
    try:
        data = image["bytes"]
        decode(data, read_header(data))
    except Rejected as rejected:
        yield f"{output}: {row['id']}: its image does not decode: {rejected.message}"
