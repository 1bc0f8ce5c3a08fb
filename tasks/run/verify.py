"""Verify: whether a dataset is as it was committed, and can be made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import ImagemillError, Rejected
from tasks.load.codecs import decode, read_header
from tasks.run.replay import Replayer
from tasks.store.dataset import Dataset, open_dataset
from tasks.store.local import entries, sha256_of


def verify(root: str | Path, sample: int | None = 20) -> dict[str, Any]:
    """Check every checksum, the sum of the sources, that images decode; replay ``sample`` rows (None: all).

    Gives counts and ``problems``: one sentence each, empty where all is as it was committed. Where files are damaged,
    that is all that is said: what else would be found may follow from it.
    """
    dataset = open_dataset(root)
    damaged = list(_files(dataset))
    problems = [*damaged, *_views(dataset), *_strays(dataset)]
    rows = sum(entry["rows"] for entry in dataset.version["files"])
    replayed = 0
    if not damaged:
        problems += _sum(dataset)
        replayed, unlike = _replayed(dataset, sample)
        problems += unlike
    files = len(entries(dataset.version))
    return {
        "dataset": str(root),
        "version": dataset.version["version"],
        "files": files,
        "rows": rows,
        "replayed": replayed,
        "problems": problems,
    }


def _files(dataset: Dataset) -> Iterator[str]:
    for entry in entries(dataset.version):
        if wrong := dataset.store.damage(entry):
            yield f"{entry['object']}: {wrong}"


def _strays(dataset: Dataset) -> Iterator[str]:
    for name in dataset.store.strays():
        yield f"{name}: not the name of a version: it counts for nothing; move it away"


def _replayed(dataset: Dataset, sample: int | None) -> tuple[int, list[str]]:
    """Decode and replay rows; give how many could be made again, and what is wrong with them."""
    replayer, problems, replayed = Replayer(dataset), list[str](), 0
    obstacle = replayer.obstacle if sample != 0 else None
    for output, row in _rows(dataset, sample):
        problems += _undecodable(output, row)
        if obstacle is None:
            try:
                problems += _unlike(replayer, output, row)
                replayed += 1
            except ImagemillError as error:
                obstacle = f"the source does not answer: {error}"
    return replayed, [*problems, *([f"no row can be made again here: {obstacle}"] if obstacle is not None else [])]


def _unlike(replayer: Replayer, output: str, row: dict[str, Any]) -> Iterator[str]:
    found = replayer.replay(row, output)
    if not found["same"]:
        yield f"{output}: {row['id']} ({found['uri']}): {found['message']}"


def _views(dataset: Dataset) -> Iterator[str]:
    for entry in (*dataset.version["files"], *dataset.version["rejected"]):
        view = dataset.store.root / entry["path"]
        if not view.is_file():
            yield f"{entry['path']}: missing; the next `imagemill run` puts it back"
        elif not _is_link(view, dataset.store.path(entry["object"])) and sha256_of(view) != entry["sha256"]:
            yield f"{entry['path']}: tampered with: not the file that was committed"


def _is_link(view: Path, file: Path) -> bool:
    return file.is_file() and view.samefile(file)


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
