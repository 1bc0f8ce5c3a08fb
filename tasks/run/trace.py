"""Trace: from a source to its rows, or to its rejection; from a row back to its source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tasks.errors import RequestError
from tasks.load.listing import key
from tasks.store.dataset import Dataset, open_dataset
from tasks.store.keys import ID_DIGITS, bounds
from tasks.store.local import Store

IMAGES = ("image", "pixels")


def trace(root: str | Path, name: str) -> dict[str, Any]:
    """Find a source by its URI or a row by its id, in the newest version, else in older ones.

    Gives the source, the version, its rows in each output with their lineage, and its rejection, if any. Raises
    ``RequestError`` where no version knows it.
    """
    store = Store(Path(root))
    newest = open_dataset(root)
    start = name.split(":", 1)[1] if ":" in name and name.split(":", 1)[0] in newest.outputs else name
    identity = start[:ID_DIGITS] if _is_id(start) else key(start).hex()[:ID_DIGITS]
    for number in reversed(store.versions()):
        found = _in(Dataset(store, store.version(number)), identity)
        if found["rows"] or found["rejected"]:
            return {
                "asked": name,
                "id": identity,
                "version": number,
                "newest": number == newest.version["version"],
                **found,
            }
    raise RequestError(f"{root}: {name!r} is in no version; give a row's id, or a URI as the listing writes it")


def _is_id(name: str) -> bool:
    head = name[:ID_DIGITS]
    return (
        len(head) == ID_DIGITS and set(head) <= set("0123456789abcdef") and name[ID_DIGITS : ID_DIGITS + 1] in ("", ".")
    )


def _in(dataset: Dataset, identity: str) -> dict[str, Any]:
    rows = []
    for entry in dataset.version["files"]:
        if _holds(entry["prefix"], identity):
            path = dataset.store.path(entry["object"])
            names = [n for n in pq.read_schema(path).names if n not in IMAGES]
            low, high = identity, identity + "~"
            table = pq.read_table(path, columns=names, filters=[("id", ">=", low), ("id", "<", high)])
            rows += [{"output": entry["output"], "file": entry["path"], **_readable(row)} for row in table.to_pylist()]
    rejected = dataset.rejected
    lost = [row for row in rejected.to_pylist() if row["id"].startswith(identity)]
    return {"source": rows[0]["source"] if rows else None, "rows": rows, "rejected": lost}


def _holds(prefix: str, identity: str) -> bool:
    low, high = bounds(prefix)
    return low <= identity and (high is None or identity < high)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    lineage = [{**one, "params": json.loads(one["params"])} for one in row.get("lineage") or []]
    vectors = {
        name: f"{len(value)} values"
        for name, value in row.items()
        if isinstance(value, list) and len(value) > 16 and name != "lineage"
    }
    return {**row, **vectors, **({"lineage": lineage} if "lineage" in row else {})}


def drawn(found: dict[str, Any]) -> str:
    """Draw what was found as a tree."""
    uri = found["source"]["uri"] if found["source"] else found["rejected"][0]["uri"]
    lines = [f"{uri}  ({found['id']}, version {found['version']}{'' if found['newest'] else ', not in the newest'})"]
    for row in found["rejected"]:
        keeper = f"; kept instead: {row['keeper']}" if row["keeper"] else ""
        lines.append(f"└─ rejected at {row['step']}: {row['reason']}: {row['message']}{keeper}")
    for i, row in enumerate(found["rows"]):
        last = i == len(found["rows"]) - 1
        lines.append(f"{'└─' if last else '├─'} {row['output']}: {row['id']}  ({row['split']}, {row['file']})")
        for step in row.get("lineage", []):
            params = ", ".join(f"{name} {value}" for name, value in step["params"].items())
            lines.append(
                f"{'   ' if last else '│  '}  {step['step']}: {step['operation']}{f' ({params})' if params else ''}"
            )
    return "\n".join(lines)
