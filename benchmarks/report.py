"""The report of a million images: how long it takes, what it holds of memory, how large the page is.

    python benchmarks/report.py [KEPT]

The dataset is written without a run: the rows of a small one, repeated under other ids, with a third as many
rejections.
"""

from __future__ import annotations

import hashlib
import io
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from tasks.report.page import write_report
from tasks.store.local import Store
from tests.tasks.store.builder import usual

LEAVES = 16


def main() -> None:
    kept = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "many"
        build(root, kept, kept // 3)
        start = time.monotonic()
        page = write_report(root)
        seconds, peak = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{kept:,} kept, {kept // 3:,} rejected: {seconds:.1f} s, page {page.stat().st_size / 1e6:.2f} MB")
        print(f"peak of this process, building included: {peak} MB")


def build(root: Path, kept: int, rejected: int) -> None:
    _, version = usual(root)
    store = Store(root)
    ids = sorted(hashlib.sha256(str(i).encode()).hexdigest()[:20] for i in range(kept))
    files = []
    for output in version["outputs"]:
        entry = next(e for e in version["files"] if (e["output"], e["split"]) == (output, "train"))
        rows = pq.read_table(store.path(entry["object"]))
        for leaf in range(LEAVES):
            part = ids[leaf * kept // LEAVES : (leaf + 1) * kept // LEAVES]
            table = column(repeated(rows, len(part)), "id", part)
            if "image" in rows.schema.names:
                table = column(table, "image", [{"bytes": TINY, "path": "a.jpg"}] * len(part))
            name = f"objects/{Path(entry['path']).parent}/train-{leaf:04b}.parquet"
            pq.write_table(table, store.path(name), row_group_size=20_000)
            about = {"object": name, "path": name.removeprefix("objects/"), "prefix": f"{leaf:04b}", "rows": len(part)}
            files.append({**entry, **about})
    lost = repeated(pq.read_table(store.path(version["rejected"][0]["object"])), rejected)
    lost = column(lost, "keeper", [None if i % 3 else f"{i % 90_000}.jpg" for i in range(rejected)])
    pq.write_table(lost, store.path("objects/rejected/many.parquet"))
    measures = repeated(pq.read_table(store.path(version["measures"][0]["object"])), kept + rejected)
    pq.write_table(measures, store.path("measures/many.parquet"))
    reasons = {one["values"]: one["counts"] for one in pc.value_counts(lost["reason"]).to_pylist()}
    rows_of = {output: {"train": kept} for output in version["outputs"]}
    counts = {"listed": kept + rejected, "kept": kept, "rejected": rejected, "reasons": reasons, "rows": rows_of}
    about = {"object": "objects/rejected/many.parquet", "path": "rejected/many.parquet", "rows": rejected}
    store.commit(
        {
            **version,
            "version": 2,
            "files": files,
            "counts": counts,
            "rejected": [{**version["rejected"][0], **about}],
            "measures": [
                {**version["measures"][0], "object": "measures/many.parquet", "rows": kept + rejected},
            ],
        }
    )


def tiny() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "JPEG")
    return file.getvalue()


TINY = tiny()


def repeated(table: pa.Table, rows: int) -> pa.Table:
    return table.take(pa.array(np.arange(rows) % table.num_rows))


def column(table: pa.Table, name: str, values: Sequence[Any]) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))


if __name__ == "__main__":
    main()
