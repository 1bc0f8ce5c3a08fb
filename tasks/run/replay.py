"""Replay: make a row again from its source by the frozen pipeline and the recorded draws, and compare bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.errors import ImagemillError, Rejected, RequestError
from tasks.image.targets import Kinds
from tasks.load.listing import key
from tasks.operation import RecordedDraws, canonical_json
from tasks.pipeline.spec import thaw
from tasks.run.job import Job, Stage
from tasks.run.make import Made
from tasks.run.platform import platform_class
from tasks.store.dataset import Dataset, open_dataset
from tasks.store.schema import Contents


@dataclass(frozen=True)
class Replayer:
    """A version of a dataset with its frozen pipeline thawed: makes its rows again, one at a time."""

    dataset: Dataset

    @cached_property
    def job(self) -> Job:
        """What the version's run was, thawed."""
        version = self.dataset.version
        spec = thaw(version["pipeline"], Path(version["folder"]))
        source = spec.source.model_copy(update={"path": version["source_path"]})
        columns = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(version["columns"])))
        classes, categories = tuple(version["classes"]), tuple(version["categories"])
        contents = Contents(classes, categories, version["boxes"], columns, _kinds(version.get("kinds", {})))
        variables = tuple(sorted(spec.variables.items()))
        return Job(
            canonical_json(spec.frozen), version["folder"], variables, source, contents, str(self.dataset.store.root)
        )

    @cached_property
    def stage(self) -> Stage:
        """The version's graph with today's fingerprints."""
        return self.job.stage

    @cached_property
    def annotations(self) -> dict[str, str]:
        """The source's annotations by URI, listed once; nothing where there are no targets."""
        if not self.stage.contents.boxes and not self.stage.contents.kinds.masks:
            return {}
        found: dict[str, str] = {}
        for batch in self.job.reader.listing():
            found.update(zip(batch.column("uri").to_pylist(), batch.column("annotations").to_pylist(), strict=True))
        return found

    def changes(self) -> list[str]:
        """Say what differs from when the version was made: artifacts whose code, and platform parts that changed."""
        before, now = self.dataset.version, self.stage.fingerprints
        changed = [
            f"the code or libraries behind {name}" for name in now if before["fingerprints"].get(name) != now[name]
        ]
        platform = platform_class()
        changed += [
            f"the platform's {name}" for name, value in platform.items() if before["platform"].get(name) != value
        ]
        return changed

    def replay(self, row: dict[str, Any], output: str) -> dict[str, Any]:
        """Make one row again. Gives whether it is the same, and a message that tells apart what could have changed."""
        uri = row["source"]["uri"]
        about = {"id": row["id"], "output": output, "uri": uri}
        try:
            data = self.job.reader.read(uri)
        except Rejected as rejected:
            return {**about, "same": False, "message": f"the source cannot be read: {rejected.message}"}
        except OSError as error:
            raise ImagemillError(f"{uri}: {error}; check the source {self.dataset.version['source']}") from error
        if hashlib.sha256(data).hexdigest() != row["source"]["sha256"]:
            return {**about, "same": False, "message": "the source has changed since the row was made"}
        made = self._made(row, output)
        different = [n for n in row if made is None or not _same(row[n], made.get(n))]
        if not different:
            return {**about, "same": True, "message": "made again to the same bytes"}
        why = (
            "; since then changed: " + ", ".join(self.changes())
            if self.changes()
            else "; the stored row was tampered with"
        )
        return {**about, "same": False, "message": f"{', '.join(different)} differ{why}"}

    def _made(self, row: dict[str, Any], output: str) -> dict[str, Any] | None:
        stage = self.stage
        i = [one.name for one in stage.graph.outputs].index(output)
        recorded = {one["step"]: json.loads(one["params"]) for one in row.get("lineage") or []}
        made = Made(self.job, RecordedDraws(recorded, stage.graph.settles) if recorded else None)
        uri = row["source"]["uri"]
        label = row.get("label")
        source = {
            **{name: row.get(name) for name in (*stage.contents.columns.names, *stage.measured)},
            "key": key(uri),
            "uri": uri,
            "size": row["source"]["bytes"],
            "etag": "",
            "digest": None,
            "label": None if label is None else stage.contents.classes[label],
            "split": row["split"],
            "annotations": self.annotations.get(uri),
            "sha256": bytes.fromhex(row["source"]["sha256"]),
            "mask": 1 << (i + 1),
        }
        made.add(source)
        return next((one for one in made.table(output).to_pylist() if one["id"] == row["id"]), None)


def _kinds(stored: Mapping[str, Any]) -> Kinds:
    """Give the targets' kinds as a version stores them."""
    pairs = stored.get("pairs")
    lists = {
        "key_points": tuple(stored.get("key_points", ())),
        "pairs": None if pairs is None else tuple((left, right) for left, right in pairs),
    }
    return Kinds(**{**stored, **lists})


def _same(a: Any, b: Any) -> bool:
    return bool(a == b) or (a != a and b != b)  # NaN is itself here


def replay(root: str | Path, name: str) -> dict[str, Any]:
    """Make the row again that ``name`` (an id, or OUTPUT:ID) names, and say whether it is the same.

    Raises ``RequestError`` where the dataset has no such row.
    """
    dataset = open_dataset(root)
    output, _, identity = (
        name.partition(":") if name.partition(":")[0] in dataset.outputs else (dataset.outputs[0], "", name)
    )
    row = dataset.row(identity, output)
    if row is None:
        raise RequestError(f"{root}: {output} has no row {identity!r}; `imagemill trace` finds rows by their source")
    return Replayer(dataset).replay(row, output)
