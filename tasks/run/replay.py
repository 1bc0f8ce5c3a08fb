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
import pyarrow.compute as pc

from tasks.errors import ImagemillError, Rejected, RequestError
from tasks.image.targets import Kinds
from tasks.load.listing import key
from tasks.operation import RecordedDraws, canonical_json
from tasks.pipeline.spec import thaw
from tasks.run.discover import digests
from tasks.run.fits import pins
from tasks.run.job import Job, Stage
from tasks.run.look import Looker, Seen
from tasks.run.make import Made
from tasks.run.partners import Partners, Recorded
from tasks.run.platform import platform_class
from tasks.store.dataset import Dataset, open_dataset
from tasks.store.keys import bounds
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
        contents = Contents(classes, categories, version["boxes"], columns, Kinds.read(version.get("kinds", {})))
        variables = tuple(sorted(spec.variables.items()))
        frozen, root = canonical_json(spec.frozen), str(self.dataset.store.root)
        return Job(frozen, version["folder"], variables, source, contents, root, pins(version.get("fits", {})))

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

    @cached_property
    def listed(self) -> dict[str, dict[str, Any]]:
        """The listing by URI, read once, for rows that images were mixed into."""
        return {one["uri"]: one for batch in self.job.reader.listing() for one in batch.to_pylist()}

    @cached_property
    def partners(self) -> Partners:
        """Reads the images that were mixed in."""
        return Partners(self.job)

    @cached_property
    def obstacle(self) -> str | None:
        """Why no row can be made again here: a variable, a module, the source's place; nothing where all is there."""
        try:
            self.job.reader, self.stage, self.annotations  # noqa: B018 - each is made at its first use
        except ImagemillError as error:
            return str(error)
        return None

    @cached_property
    def changes(self) -> list[str]:
        """What differs from when the version was made: libraries, other parts of the platform, code."""
        before, now = self.dataset.version, platform_class()
        old, new = before["platform"].get("libraries", {}), now.pop("libraries")
        changed = [f"{name} {old.get(name, 'none')} -> {new[name]}" for name in new if old.get(name) != new[name]]
        changed += [f"the platform's {name}" for name, value in now.items() if before["platform"].get(name) != value]
        fingerprints = self.stage.fingerprints
        code = [name for name in fingerprints if before["fingerprints"].get(name) != fingerprints[name]]
        return changed + [f"the code or libraries behind {name}" for name in code]

    def replay(self, row: dict[str, Any], output: str) -> dict[str, Any]:
        """Make one row again. Gives whether it is the same, and a message that tells apart what could have changed."""
        about = {"id": row["id"], "output": output, "uri": row["source"]["uri"]}
        if self.obstacle is not None:
            return {**about, "same": False, "message": f"cannot be made again here: {self.obstacle}"}
        read = [("the source", row["source"])]
        read += [(f"{one['uri']}, which was mixed in,", one) for one in parents(row)]
        for name, source in read:
            if (changed := self._changed(source)) is not None:
                return {**about, "same": False, "message": f"{name} {changed}"}
        made = self._made(row, output)
        different = [n for n in row if made is None or not _same(_own(row, n), _own(made, n))]
        if not different:
            return {**about, "same": True, "message": "made again to the same bytes"}
        return {**about, "same": False, "message": f"{', '.join(different)} differ; {self._why(row)}"}

    def _why(self, row: Mapping[str, Any]) -> str:
        """Say what can have made a row differ whose sources have the same bytes."""
        for uri in (row["source"]["uri"], *(one["uri"] for one in parents(row))):
            if not self._is_told_alike(uri):
                whom = "it" if uri == row["source"]["uri"] else f"{uri}, which was mixed in,"
                return f"what the source says of {whom} (label, annotations, columns) has changed"
        return f"since then changed: {', '.join(self.changes)}" if self.changes else "the stored row was tampered with"

    def _is_told_alike(self, uri: str) -> bool:
        """Compare the digest of what is said of a source with that in the version's measures."""
        for batch in self.job.reader.listing():
            row = batch.filter(pc.equal(batch.column("uri"), uri))
            if len(row):
                told = row.drop_columns(["key", "uri", "size", "etag"])
                return bool(digests(pa.Table.from_batches([told]))[0].as_py() == self._digest(key(uri)))
        return False

    def _digest(self, of: bytes) -> bytes | None:
        for entry in self.dataset.version["measures"]:
            found = self.dataset.store.table(entry, ["digest"], [("key", "=", of)])
            if found.num_rows:
                return bytes(found.column("digest")[0].as_py())
        return None

    def _changed(self, source: Mapping[str, Any]) -> str | None:
        """Say what is wrong with a file that a row was made of; nothing where it is as it was."""
        try:
            data = self.job.reader.read(source["uri"])
        except Rejected as rejected:
            return f"cannot be read: {rejected.message}"
        except OSError as error:
            raise ImagemillError(
                f"{source['uri']}: {error}; check the source {self.dataset.version['source']}"
            ) from error
        return None if hashlib.sha256(data).hexdigest() == source["sha256"] else "has changed since the row was made"

    def _made(self, row: dict[str, Any], output: str) -> dict[str, Any] | None:
        i = [one.name for one in self.stage.graph.outputs].index(output)
        made = Made(self.job, self._draws(row))
        made.near = self._near(row)
        made.add({**self._source(row), "mask": 1 << (i + 1)})
        return next((one for one in made.table(output).to_pylist() if one["id"] == row["id"]), None)

    def look(self, row: Mapping[str, Any]) -> Seen:
        """Take a row's source through all steps once more, with the row's own draws, to look at what is on its way."""
        looker = Looker(self.job, self._draws(row))
        looker.near = self._near(row)
        return looker.look(self._source(row), row["source"]["frame"])

    def _draws(self, row: Mapping[str, Any]) -> RecordedDraws | None:
        recorded = _recorded(row)
        return RecordedDraws(recorded, self.stage.graph.settles) if recorded else None

    def _near(self, row: Mapping[str, Any]) -> Recorded | None:
        return Recorded(self.partners, _recorded(row), self.listed, row["split"]) if parents(row) else None

    def _source(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Give a row's source as a unit has it: what the listing says, and what was measured."""
        contents, uri, label = self.stage.contents, row["source"]["uri"], row.get("label")
        return {
            **{name: row.get(name) for name in (*contents.columns.names, *self.stage.measured)},
            "key": key(uri),
            "uri": uri,
            "size": row["source"]["bytes"],
            "etag": "",
            "digest": None,
            "label": None if label is None else contents.classes[label],
            "split": row["split"],
            "fold": row.get("fold"),
            "annotations": self.annotations.get(uri),
            "sha256": bytes.fromhex(row["source"]["sha256"]),
        }


def _recorded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give what was drawn for a row, by step."""
    return {one["step"]: json.loads(one["params"]) for one in row.get("lineage") or []}


def parents(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the images that were mixed into a row, as its lineage names them."""
    draws = [json.loads(one["params"]) for one in row.get("lineage") or []]
    return [parent for params in draws for parent in params.get("parents", [])]


def _own(row: Mapping[str, Any], name: str) -> Any:
    """Give a row's field; of its lineage, what is about itself: copies that failed are noted with another row."""
    if name != "lineage":
        return row.get(name)
    return [one for one in row[name] or [] if one["operation"] != "rejected"]


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
    if damaged := _damaged(dataset, output, identity):
        return {"id": identity, "output": output, "uri": None, "same": False, "message": damaged}
    row = dataset.row(identity, output)
    if row is None:
        raise RequestError(f"{root}: {output} has no row {identity!r}; `imagemill trace` finds rows by their source")
    return Replayer(dataset).replay(row, output)


def _damaged(dataset: Dataset, output: str, identity: str) -> str | None:
    """Say what is wrong with the shard in which a row stands: whether it is the one that was committed."""
    for entry in dataset.entries(output):
        low, high = bounds(entry["prefix"])
        if low <= identity and (high is None or identity < high) and (wrong := dataset.store.damage(entry)):
            return f"{entry['path']}: {wrong}"
    return None
