"""A dataset's past: what each version changed, going back to one, and removing what no version needs any more."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.errors import ImagemillError
from tasks.store.local import TABLES, Store, entries, staging_folder, whole

OBJECTS = ("objects", "measures", "decisions")  # folders of what versions name
DEPENDS = ("sha256", "digest", "partners")  # measures that rows depend on, where there are such


@dataclass(frozen=True)
class Rows:
    """How one output's rows differ from the parent's; ``changed`` ones were made again from other bytes or steps."""

    added: int
    removed: int
    changed: int


@dataclass(frozen=True)
class Changes:
    """What a version changed against its parent: sources (and frames), the rows of each output, files."""

    sources: Rows
    rows: Mapping[str, Rows]
    files_written: int
    files_kept: int


def history(store: Store, last: int | None = None) -> list[dict[str, Any]]:
    """Give the versions, newest first, each with what it changed; ``last`` is how many.

    ``changes`` is None for a version without a parent, and where the parent or one of its tables was cleaned away.
    """
    numbers = list(reversed(store.versions()))
    shown = []
    for i, number in enumerate(numbers[:last]):
        version = store.version(number)
        counts = version["counts"]
        parent = version["parent"]
        changed = changes(store, version, store.version(parent)) if parent in numbers else None
        shown.append(
            {
                "version": number,
                "current": i == 0,
                "created": version["created"],
                "run_id": version["run_id"],
                "pipeline": version["name"],
                "parent": parent,
                "restored": version.get("restored"),
                **{name: counts[name] for name in ("listed", "kept", "rejected")},
                "rows": {name: sum(counts["rows"][name].values()) for name in version["outputs"]},
                "changes": asdict(changed) if changed else None,
            }
        )
    return shown


def changes(store: Store, version: Mapping[str, Any], parent: Mapping[str, Any]) -> Changes | None:
    """Compare two versions by their measures; leaves that both name are not opened."""
    if missing(store, version, ("measures",)) or missing(store, parent, ("measures",)):
        return None
    outputs = list(dict.fromkeys((*version["outputs"], *parent["outputs"])))
    shared = _objects(version, ("measures",)) & _objects(parent, ("measures",))
    now, before = (_counted(store, one, shared, outputs) for one in (version, parent))
    joined = now.join(before, ["key", "frame"], join_type="full outer", right_suffix=".before", use_threads=False)
    said, said_before = joined.column("said"), joined.column("said.before")
    other = pc.fill_null(pc.not_equal(said, said_before), False)
    new, gone = pc.is_null(said_before), pc.is_null(said)
    rows = {}
    for name in outputs:
        after, ahead = (pc.fill_null(joined.column(one), 0) for one in (name, f"{name}.before"))
        stale = version["fingerprints"].get(name) != parent["fingerprints"].get(name)
        both = pc.min_element_wise(after, ahead)
        unopened = _rows(version, name) - _sum(after) if stale else 0
        rows[name] = Rows(
            _sum(pc.subtract(after, both)),
            _sum(pc.subtract(ahead, both)),
            unopened + _sum(both if stale else pc.if_else(other, both, 0)),
        )
    files, files_before = _objects(version, ("files",)), _objects(parent, ("files",))
    sources = Rows(_sum(new), _sum(gone), _sum(other))
    return Changes(sources, rows, len(files - files_before), len(files & files_before))


def _rows(version: Mapping[str, Any], output: str) -> int:
    return sum(version["counts"]["rows"].get(output, {}).values())


def _sum(values: Any) -> int:
    return int(pc.sum(values).as_py() or 0)


def _counted(store: Store, version: Mapping[str, Any], shared: set[str], outputs: list[str]) -> pa.Table:
    """Give for each source and frame its rows in each output, and what they depend on, joined."""
    tables = []
    for entry in version["measures"]:
        if entry["object"] not in shared:
            with whole(store.path(entry["object"])) as path:
                depends = [name for name in DEPENDS if name in pq.read_schema(path).names]
            table = store.table(entry, ["key", "frame", *depends, "rows"])
            said = [pc.fill_null(table.column(name).cast(pa.binary()), b"") for name in depends]
            columns = {
                "key": table.column("key"),
                "frame": table.column("frame"),
                "said": pc.binary_join_element_wise(*said, b""),
            }
            for name in outputs:
                columns[name] = _of_output(version, table, name)
            tables.append(pa.table(columns))
    return pa.concat_tables(tables) if tables else _nothing(outputs)


def _of_output(version: Mapping[str, Any], table: pa.Table, name: str) -> Any:
    if name not in version["outputs"]:
        return pa.array([0] * table.num_rows, pa.int32())
    held = pc.list_element(table.column("rows"), version["outputs"].index(name))
    return pc.max_element_wise(held, pa.scalar(0, pa.int32()))


def _nothing(outputs: list[str]) -> pa.Table:
    fields = [("key", pa.binary(32)), ("frame", pa.int32()), ("said", pa.binary())]
    return pa.schema([*fields, *((name, pa.int32()) for name in outputs)]).empty_table()


def _objects(version: Mapping[str, Any], tables: tuple[str, ...] = TABLES) -> set[str]:
    return {entry["object"] for entry in entries(version, tables)}


def missing(store: Store, version: Mapping[str, Any], tables: tuple[str, ...] = TABLES) -> list[str]:
    """Give the files that a version names and that are gone, or of another length than was committed."""
    return sorted({entry["object"] for entry in entries(version, tables) if not store.holds(entry)})


def restored(store: Store, number: int) -> dict[str, Any] | None:
    """Give a new version with the contents of version ``number``; nothing where the newest has them already.

    Raises ``RequestError`` where there is no such version, ``ImagemillError`` where files of it are gone.
    """
    old = store.version(number)
    newest = store.version(store.versions()[-1])
    if all(newest[name] == old[name] for name in TABLES):
        return None
    gone = missing(store, old)
    if gone:
        more = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
        raise ImagemillError(
            f"{store.location}: version {number} cannot come back: {', '.join(gone[:3])}{more} "
            f"{'is' if len(gone) == 1 else 'are'} gone; run the pipeline of that version again "
            f"(it stands in {store.version_path(number)})"
        )
    created = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"version": newest["version"] + 1, "parent": newest["version"], "created": created, "run_id": ""}
    return {**old, **about, "restored": number}


@dataclass(frozen=True)
class Unneeded:
    """What cleaning removes: versions by number, files by their names in the house, and their bytes together."""

    versions: list[int]
    files: list[str]
    bytes: int


def unneeded(store: Store, keep: int, age: float) -> Unneeded:
    """Find the versions that may go, and the files that no other version names. Give it the store locked.

    A version may go that is not among the newest ``keep`` and was replaced more than ``age`` seconds ago. Files that no
    version ever named (left by killed runs, staged ones among them) go once they are as old.
    """
    before = time.time() - age
    numbers = store.versions()
    versions = {number: store.version(number) for number in numbers}
    expired = [
        number
        for number, after in pairwise(numbers)
        if time_of(versions[after]) <= before and number not in numbers[-max(1, keep) :]
    ]
    needed = {name for number in numbers if number not in expired for name in _objects(versions[number])}
    once = {name for number in expired for name in _objects(versions[number])} - needed
    files, size = [], 0
    for path in _files(store):
        name = str(path.relative_to(store.house))
        status = path.stat()
        if name in once or (name not in needed and status.st_mtime <= before):
            files.append(name)
            size += status.st_size
    return Unneeded(expired, sorted(files), size)


def _files(store: Store) -> Iterator[Path]:
    for folder in (*(store.house / name for name in OBJECTS), staging_folder(store.root)):
        yield from (path for path in folder.rglob("*") if path.is_file())


def time_of(version: Mapping[str, Any]) -> float:
    """Give when a version was committed, in seconds since 1970."""
    return datetime.fromisoformat(version["created"]).timestamp()


def remove(store: Store, found: Unneeded) -> None:
    """Remove what was found: first the versions, so that none is ever left that names what is gone."""
    for number in found.versions:
        store.version_path(number).unlink()
    for name in found.files:
        store.path(name).unlink()
