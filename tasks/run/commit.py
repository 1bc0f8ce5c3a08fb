"""Commit: the tables of a run are published, the sum is checked, and one new file makes it all count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.errors import ImagemillError
from tasks.load.files import without_credentials
from tasks.run.classes import weights
from tasks.run.make import NOT_MADE
from tasks.run.pace import pace
from tasks.run.platform import platform_class
from tasks.run.run import Run
from tasks.run.seal import Sealed
from tasks.run.todo import counts
from tasks.run.verdicts import Fates, rejections
from tasks.store import writer
from tasks.store.keys import ALL
from tasks.store.local import FORMAT
from tasks.store.schema import DECISIONS, FLAGS, REJECTED

EXECUTION = ("cluster", "schedule", "watch")  # of a pipeline: when and where it runs, which no reader sees
DECIDING = ("format", "source", "pipeline", "outputs", "fingerprints", "counts", "files", "rejected", "decisions")


@dataclass(frozen=True)
class Accounts:
    """The sum of a run: every source and frame listed is kept or rejected."""

    listed: int
    kept: int
    rejected: int
    reasons: Mapping[str, int]
    rows: Mapping[str, Mapping[str, int]]


def version_of(run: Run, files: Iterable[Sealed | Mapping[str, Any]], run_id: str) -> dict[str, Any]:
    """Publish the tables that go with the sealed files, and give the version that names them all; nothing counts yet.

    Raises ``ImagemillError`` where the sum does not add up: it says which images.
    """
    entries = [dict(entry) if isinstance(entry, Mapping) else asdict(entry) for entry in files]
    entries.sort(key=lambda entry: entry["path"])
    rejected = [_rejected(run, prefix, fate) for prefix, fate in run.fates.items()]
    spec = run.stage.graph.spec
    contents = run.stage.contents
    number = max(run.store.versions(), default=0) + 1
    weighted = weights(run.stage.graph, run.fates)
    flags = DECISIONS.empty_table() if run.flags is None else run.flags
    return {
        "format": FORMAT,
        "version": number,
        "parent": run.version["version"] if run.version else None,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": run_id,
        "name": spec.name,
        "pipeline": spec.frozen,
        "folder": run.job.folder,
        "source": run.listing.source.root,
        "source_path": without_credentials(run.job.source.path),
        "outputs": [output.name for output in run.stage.graph.outputs],
        "classes": list(contents.classes),
        "categories": list(contents.categories),
        "boxes": contents.boxes,
        "kinds": asdict(contents.kinds),
        "columns": contents.columns.serialize().to_pybytes().hex(),
        "fits": run.fits,
        "fingerprints": run.stage.fingerprints,
        "platform": platform_class(),
        "counts": asdict(_accounts(run, entries)),
        "files": entries,
        "rejected": rejected,
        "measures": [_measures(run, prefix, fate) for prefix, fate in run.fates.items()],
        "decisions": _decisions(run, flags),
        "flagged": dict(sorted(Counter(flags.column("reason").to_pylist()).items())),
        **({"against": run.against} if run.against else {}),
        **({"weights": weighted} if weighted else {}),
        "pace": pace(one for one, _ in run.staged),
    }


def is_news(version: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
    """Say whether a version differs from the one before in anything that a reader or a replay could see."""
    if before is None:
        return True
    now, then = ({**one, "pipeline": _without_execution(one["pipeline"])} for one in (version, before))
    return any(now.get(name) != then.get(name) for name in (*DECIDING, "against"))


def _without_execution(pipeline: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in pipeline.items() if name not in EXECUTION}


def _accounts(run: Run, entries: list[dict[str, Any]]) -> Accounts:
    """Count, and check that listed = kept + rejected and that each file holds what was promised."""
    reasons: Counter[str] = Counter()
    listed = kept = 0
    unknown: list[str] = []
    for prefix, fate in run.fates.items():
        listed += fate.measures.num_rows
        lost = list(rejections(run.stage, fate))
        reasons.update(row["reason"] for row in lost)
        kept += fate.measures.num_rows - len(lost)
        measured = set(fate.measures.column("key").to_pylist())
        leaf = run.listing.leaf(prefix)
        pairs = zip(leaf.column("key").to_pylist(), leaf.column("uri").to_pylist(), strict=True)
        unknown += [uri for key, uri in pairs if key not in measured]
    rows: dict[str, dict[str, int]] = {output.name: {} for output in run.stage.graph.outputs}
    for entry in entries:
        by_split = rows[entry["output"]]
        by_split[entry["split"]] = by_split.get(entry["split"], 0) + entry["rows"]
    promised = {
        output.name: sum(int(fate.rows_in(run.stage.graph, i).sum()) for fate in run.fates.values())
        for i, output in enumerate(run.stage.graph.outputs)
    }
    wrong = [name for name, count in promised.items() if count != sum(rows[name].values())]
    if unknown or wrong:
        what = f"{len(unknown)} sources are neither kept nor rejected ({', '.join(unknown[:5])})" if unknown else ""
        what += (
            f"{'; ' if what and wrong else ''}{', '.join(wrong)}: the files' rows are not those promised"
            if wrong
            else ""
        )
        raise ImagemillError(f"{run.store.root}: the run does not add up: {what}; nothing was committed, run again")
    return Accounts(listed, kept, listed - kept, dict(sorted(reasons.items())), rows)


def _entry(run: Run, folder: str, stem: str, table: pa.Table, sorted_by: str) -> dict[str, Any]:
    """Publish a table as one Parquet file named by its content."""
    temporary = run.store.temporary()
    try:
        batches = table.combine_chunks().to_batches()
        written = writer.write(temporary, table.schema, batches, table.num_rows, sorted_by)
        name = f"{folder}/{stem}-{written.sha256[:16]}.parquet"
        run.store.publish(temporary, name, written.sha256)
    finally:
        temporary.unlink(missing_ok=True)
    return {"prefix": stem, "object": name, "rows": written.rows, "bytes": written.bytes, "sha256": written.sha256}


def _rejected(run: Run, prefix: str, fate: Fates) -> dict[str, Any]:
    rows = pa.Table.from_pylist(list(rejections(run.stage, fate)), REJECTED)
    entry = _entry(run, "objects/rejected", prefix, rows, "id")
    return {**entry, "path": entry["object"].removeprefix("objects/")}


def _measures(run: Run, prefix: str, fate: Fates) -> dict[str, Any]:
    """Publish the measures; ``rows`` counts what the version holds, so that what left on the way is missing later."""
    table = fate.measures.select(run.stage.measures.names)
    held = counts(table, "rows", len(run.stage.graph.outputs))
    failed = np.asarray(table.column("failure").is_valid().to_numpy(), dtype=bool)
    for i, output in enumerate(run.stage.graph.outputs):
        held[~fate.union(output.spec.sources) & ~failed, i] = NOT_MADE
    kind = table.schema.field("rows").type
    table = table.set_column(table.schema.get_field_index("rows"), "rows", pa.array(held.tolist(), kind))
    sources = len(table.column("key").unique())
    return {**_entry(run, "measures", prefix, table, "key"), "sources": sources}


def _decisions(run: Run, flags: pa.Table) -> list[dict[str, Any]]:
    """Publish who left at which dataset step, and who was flagged and stays."""
    tables = {ALL: run.decisions, FLAGS: flags}
    there = {stem: table for stem, table in tables.items() if table is not None and table.num_rows}
    return [_entry(run, "decisions", stem, table.cast(DECISIONS), "id") for stem, table in there.items()]
