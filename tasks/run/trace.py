"""Trace: from a source to its rows, or to its rejection; from a row back to its source."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tasks.errors import RequestError
from tasks.load.listing import key
from tasks.store.dataset import Dataset, open_dataset
from tasks.store.keys import ID_DIGITS, bounds
from tasks.store.remote import store_to_read

IMAGES = ("image", "pixels", "mask")
ROW_ID = re.compile(rf"[0-9a-f]{{{ID_DIGITS}}}(\.f\d+)?(\.[\w-]+:\d+)*")


def trace(root: str | Path, name: str) -> dict[str, Any]:
    """Find a source by its URI or a row by its id, in the newest version, else in older ones.

    Gives the source, the version, its rows in each output with their lineage, and its rejection, if any. Raises
    ``RequestError`` where no version knows it.
    """
    store = store_to_read(root)
    newest = open_dataset(root)
    identity = _identity(name, newest.outputs)
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


def _identity(name: str, outputs: list[str]) -> str:
    """Give the part of a row's id that is its source's: of an id, of OUTPUT:ID, or of a URI."""
    output, mark, rest = name.partition(":")
    identity = rest if mark and output in outputs else name
    return identity[:ID_DIGITS] if ROW_ID.fullmatch(identity) else key(name).hex()[:ID_DIGITS]


def _in(dataset: Dataset, identity: str) -> dict[str, Any]:
    rows = []
    for entry in dataset.version["files"]:
        if _holds(entry["prefix"], identity):
            names = [name for name in dataset.schemas[entry["output"]].names if name not in IMAGES]
            low, high = identity, identity + "~"
            table = dataset.store.table(entry, names, [("id", ">=", low), ("id", "<", high)])
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
            params = ", ".join(f"{name} {value}" for name, value in step["params"].items() if name != "parents")
            mixed = [one["uri"] for one in step["params"].get("parents", [])]
            params += f"{', ' if params else ''}with {', '.join(mixed)}" if mixed else ""
            lines.append(
                f"{'   ' if last else '│  '}  {step['step']}: {step['operation']}{f' ({params})' if params else ''}"
            )
    return "\n".join(lines)
