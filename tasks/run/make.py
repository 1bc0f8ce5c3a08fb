"""Make: one unit's sources through all steps in one pass, staged as one file. The hot path of every run."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from tasks.errors import Rejected
from tasks.image.geometry import Size
from tasks.image.render import Base
from tasks.image.sample import Done, Encoded, Sample
from tasks.image.targets import Targets
from tasks.load import metadata
from tasks.load.codecs import decode, decode_frames, encode_jpeg, encode_png, read_header
from tasks.load.containers import as_they_lie
from tasks.operation import Draws, KeyedDraws, canonical_json
from tasks.pipeline.graph import Output
from tasks.run import targets
from tasks.run.course import Course
from tasks.run.job import Job, Stage
from tasks.run.ring import Around
from tasks.store import staging
from tasks.store.keys import row_id
from tasks.store.local import staging_folder
from tasks.store.schema import measure_columns

if TYPE_CHECKING:
    from tasks.run.partners import Near, Recorded, Ring

NOT_MADE: Final = -1  # in ``rows``: the output was not asked for, or a threshold rejected the source
OF_THE_ENGINE: Final = ("unsupported_dtype",)  # reasons that no threshold decides, also at a check
MEASURES: Final = 1  # in a mask: the measures are missing; output i is bit i + 1


@dataclass(frozen=True)
class Unit:
    """Work: sources still to be made, as a slice of the listing with what is known of them.

    ``sources`` has key, uri, size, etag, label, split, annotations, digest, sha256 (known before, or null), mask (which
    artifacts are missing) and the manifest's and the measures' columns. ``around`` says who comes after each, where
    images are mixed.
    """

    name: str
    sources: pa.Table
    around: Around | None = None

    def halves(self) -> list[Unit]:
        """Cut the unit in two, to find the image that kills its process."""
        middle = self.sources.num_rows // 2
        if not middle:
            return []
        return [self.part(".0", 0, middle), self.part(".1", middle, self.sources.num_rows)]

    def part(self, name: str, start: int, end: int) -> Unit:
        """Give some of the sources, with those around them, as a unit named after this one."""
        around = self.around.of(range(start, end)) if self.around else None
        return Unit(f"{self.name}{name}", self.sources.slice(start, end - start), around)


@dataclass(frozen=True)
class Receipt:
    """What a unit came to: small enough to travel, since the rows are staged."""

    path: str
    sources: int
    rows: int
    rejected: int
    seconds: float


def make(unit: Unit, job: Job) -> Receipt:
    """Take a unit's sources through the stage in one pass, stage the rows, and say what was made."""
    start = time.monotonic()
    made = Made(job)
    ring = _ring(unit, job)
    sources = unit.sources.to_pylist()
    for i in as_they_lie(*([source[name] for source in sources] for name in ("uri", "etag"))):
        made.near = ring.near(i) if ring else None
        try:
            made.add(sources[i])
        except Exception as error:
            error.add_note(sources[i]["uri"])
            raise
    return made.stage(unit, time.monotonic() - start)


def _ring(unit: Unit, job: Job) -> Ring | None:
    from tasks.run.partners import Ring  # which reads images as Made does

    return Ring(unit.around, job) if unit.around else None


def reject_unread(unit: Unit, job: Job, reason: str, message: str) -> Receipt:
    """Stage the verdict on a source that kills the process that reads it."""
    made = Made(job)
    for source in unit.sources.to_pylist():
        made.reject(source, Rejected(reason, message), None, job.stage.every)
    return made.stage(unit, 0.0)


class Made:
    """The rows of a unit as they are gathered: columns of each output, and a row of measures a frame."""

    def __init__(self, job: Job, draws: Draws | None = None) -> None:
        self.job = job
        self.plan: Stage = job.stage
        self.reader = job.reader
        self.draws = draws or KeyedDraws(self.plan.graph.spec.seed, self.plan.graph.settles)
        self.rows: dict[str, list[dict[str, Any]]] = {output.name: [] for output in self.plan.graph.outputs}
        self.measures: list[dict[str, Any]] = []
        self.rejected = 0
        self.near: Near | Recorded | None = None
        spec = self.plan.graph.spec.source
        self.limits = spec.limits.limits()
        self.all_frames = spec.frames == "all"
        self.metadata = spec.metadata  # what rows keep of it
        self.columns = {name: frozenset(schema.names) for name, schema in self.plan.schemas.items()}

    def add(self, source: Mapping[str, Any]) -> None:
        """Read, hash, decode and run one source; a verdict on it becomes a rejection."""
        mask = self.plan.every
        data = None
        try:
            data = self.reader.read(source["uri"], source["etag"])
            sha256 = hashlib.sha256(data).digest()
            if source["sha256"] == sha256:
                mask = source["mask"]
            if not mask:
                self.measures.append({**_identity(source), "frame": 0, "sha256": sha256, "bytes": len(data), "mask": 0})
                return
            header = read_header(data, self.limits)
            annotations = json.loads(source["annotations"]) if source["annotations"] else {}
            if "problem" in annotations:
                raise Rejected("bad_annotations", annotations["problem"])
            mask_of_source = targets.mask_of(annotations, self.reader, self.limits)
        except Rejected as rejected:
            self.reject(source, rejected, data, mask)
            return
        about = {**_identity(source), "sha256": sha256, "bytes": len(data), "mask": mask}
        lineage, about["metadata"] = self._beside(data, header.format)
        frames = header.frames if self.all_frames else 1
        decoded = decode_frames(data, header) if frames > 1 else (decode(data, header, n) for n in range(1))
        broken: Rejected | None = None
        file = Encoded(source["uri"], data, header.format, header.spacing)
        for frame in range(frames):
            row = {**about, "frame": frame, "frames": frames}
            try:
                if broken is not None:
                    raise broken
                pixels = next(decoded)
                size = Size(pixels.shape[1], pixels.shape[0])
                known = Targets.read(annotations, size, self.plan.contents.kinds, mask_of_source)
                label, others = source["label"], self.near
                sample = Sample(
                    Base(pixels), sha256, frame, targets=known, lineage=lineage, file=file, label=label, others=others
                )
            except Rejected as rejected:
                broken = rejected  # frames are decoded one after the other: none comes after a broken one
                self._fail(row, rejected)
            else:
                self._run(source, sample, row)

    def _beside(self, data: bytes, format: str) -> tuple[tuple[Done, ...], str | None]:
        """Give what is dropped of what the file says beside its pixels, for the lineage, and what is kept of it."""
        dropped = [kind for kind in metadata.kinds(data, format) if kind not in self.metadata]
        done = (Done("source", "dropped", {"metadata": dropped}),) if dropped else ()
        return done, metadata.told(data, format, self.metadata) if self.metadata else None

    def reject(self, source: Mapping[str, Any], rejected: Rejected, data: bytes | None, mask: int) -> None:
        """Record a verdict on a whole source."""
        sha256 = hashlib.sha256(data).digest() if data is not None else None
        size = len(data) if data is not None else None
        about = {"frame": 0, "frames": 1, "sha256": sha256, "bytes": size, "mask": mask}
        self._fail({**_identity(source), **about}, rejected)

    def _fail(self, row: dict[str, Any], rejected: Rejected) -> None:
        self.rejected += 1
        failure = {
            "step": rejected.step,
            "reason": rejected.reason,
            "message": rejected.message,
            "measure": rejected.measure,
            "limit": rejected.limit,
        }
        self.measures.append({**row, "rows": [0] * len(self.plan.graph.outputs), "failure": failure})

    def _run(self, source: Mapping[str, Any], sample: Sample, row: dict[str, Any]) -> None:
        known = None if row["mask"] & MEASURES else {name: source[name] for name in self.plan.measured}
        course = self.course(source, sample, known)
        counts = []
        for i, output in enumerate(self.plan.graph.outputs):
            wanted = row["mask"] >> (i + 1) & 1
            counts.append(self._output(output, course, source, row) if wanted else NOT_MADE)
        if row["mask"] & MEASURES:
            measured = (node for node in self.plan.graph.datasets if node.hashes)  # others may follow a fitted step
            for node in (*self.plan.graph.checks, *measured):
                course.rows(node.id)
            for node in self.plan.graph.fits:
                course.accumulate(node)
        row = {**row, "width": sample.size.width, "height": sample.size.height, **course.measures, "rows": counts}
        row.update(self.near.columns() if self.near else {})
        failure = course.first_failure()
        thresholds = {node.id for node in self.plan.graph.checks}
        if failure is not None and failure.step in thresholds and failure.reason not in OF_THE_ENGINE:
            row["rows"] = [count or NOT_MADE for count in counts]
        elif failure is not None and max(counts) <= 0 and not self.plan.graph.waiting:
            self._fail(row, failure)
            return
        self.rejected += max(row["rows"]) <= 0 and not self.plan.graph.waiting  # else the second pass says
        self.measures.append(row)

    def course(self, source: Mapping[str, Any], sample: Sample, known: Mapping[str, Any] | None) -> Course:
        """Start a decoded image's way through the graph; ``known`` are its measures, where it was measured before."""
        fields = {"split": source["split"], "label": source["label"], "fold": source.get("fold")}
        fields.update({name: source[name] for name in self.plan.contents.columns.names})
        return Course(self.plan.graph, sample, self.draws, fields, known)

    def _output(self, output: Output, course: Course, source: Mapping[str, Any], row: Mapping[str, Any]) -> int:
        before = len(self.rows[output.name])
        for suffix, sample in sorted(course.union(output.spec.sources).items()):
            try:
                self.rows[output.name].append(self._row(output, course, suffix, sample, source, row))
            except Rejected as rejected:
                rejected.step = output.name
                course.failures.setdefault(output.spec.sources[0], rejected)
        return len(self.rows[output.name]) - before

    def _row(
        self,
        output: Output,
        course: Course,
        suffix: str,
        sample: Sample,
        source: Mapping[str, Any],
        about: Mapping[str, Any],
    ) -> dict[str, Any]:
        contents = self.plan.contents
        name = row_id(source["key"], sample.frame if self.all_frames else None) + suffix
        row: dict[str, Any] = {
            "key": source["key"],
            "id": name,
            "split": source["split"],
            "fold": source.get("fold"),
            "copy": sample.copy,
            "source": {
                "uri": source["uri"],
                "sha256": about["sha256"].hex(),
                "bytes": about["bytes"],
                "frame": sample.frame,
            },
            **{column: source[column] for column in contents.columns.names},
            **({"metadata": about["metadata"]} if self.metadata else {}),
            **sample.features,
        }
        if contents.classes:
            row["label"] = contents.classes.index(source["label"]) if source["label"] is not None else None
        for ancestor in output.ancestors:
            for column in measure_columns(self.plan.graph.nodes[ancestor]).values():
                row[column] = course.row_measures.get((suffix, column), course.measures.get(column))
        columns = self.columns[output.name]
        if "labels" in columns:
            row["labels"] = [{"label": contents.classes.index(one), "weight": weight} for one, weight in sample.weights]
        if "lineage" in columns:
            row["lineage"] = _lineage([*sample.lineage, *(course.notes if not suffix else ())])
        if output.form == "none":
            return row
        if contents.boxes:
            row["objects"], dropped = targets.objects(output, sample, contents)
            row["lineage"] += _lineage([Done("objects", "dropped", box) for box in dropped])
        pixels = sample.picture()
        row["width"], row["height"] = pixels.shape[1], pixels.shape[0]
        if output.form == "tensor":
            row["pixels"] = _tensor(output, pixels)
        else:
            row["image"] = _encoded(output, name, pixels)
        if contents.kinds.masks:
            row["mask"] = targets.mask(output, sample, name)
        return row

    def table(self, output: str) -> pa.Table:
        """Give an output's rows, each with its source's key."""
        return _table(self.rows[output], self.plan.schemas[output].insert(0, pa.field("key", pa.binary(32))))

    def stage(self, unit: Unit, seconds: float) -> Receipt:
        """Write the unit's one file: the rows of each output, the measures, the receipt."""
        for rows in (*self.rows.values(), self.measures):
            rows.sort(key=lambda row: row["key"])  # they were made in the order in which their sources lie
        tables = {f"rows.{name}": self.table(name) for name in self.rows}
        schema = self.plan.measures.append(pa.field("mask", pa.int64()))
        tables["measures"] = pa.Table.from_pylist(self.measures, schema)
        receipt = {"unit": unit.name, "fingerprints": self.plan.fingerprints, "outputs": list(self.rows)}
        path = staging.write(staging_folder(Path(self.job.dataset)), tables, receipt)
        count = sum(len(rows) for rows in self.rows.values())
        return Receipt(str(path), unit.sources.num_rows, count, self.rejected, seconds)


def _lineage(done: list[Done]) -> list[dict[str, str]]:
    return [
        {"step": step, "operation": operation, "params": canonical_json(dict(params))}
        for step, operation, params in done
    ]


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Gather rows into columns; vectors go in as one block, not value by value."""
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_fixed_size_list(field.type):
            columns.append(_vectors(values, field.type))
        else:
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _vectors(values: list[Any], kind: pa.DataType) -> pa.Array:
    empty = np.zeros(kind.list_size, dtype=np.float32)
    block = np.concatenate([empty if v is None else v for v in values]) if values else np.zeros(0, dtype=np.float32)
    missing = pa.array([v is None for v in values], pa.bool_())
    return pa.FixedSizeListArray.from_arrays(pa.array(block, pa.float32()), type=kind, mask=missing)


def _identity(source: Mapping[str, Any]) -> dict[str, Any]:
    return {name: source[name] for name in ("key", "size", "etag", "digest")}


def _tensor(output: Output, pixels: Any) -> Any:
    size, channels = output.node.size, output.node.channels
    assert size is not None
    if pixels.dtype != np.float32 or pixels.shape != (size.height, size.width, channels):
        raise Rejected(
            "unsupported_shape",
            f"{(size.height, size.width, channels)} float32 was promised, this is {pixels.shape} {pixels.dtype}",
        )
    return np.ascontiguousarray(pixels).reshape(-1)


def _encoded(output: Output, name: str, pixels: Any) -> dict[str, Any]:
    encode = output.spec.encode
    dtype = pixels.dtype.name
    if dtype == "float32" or (dtype == "uint16" and encode.format == "jpeg"):
        raise Rejected("unsupported_dtype", f"{encode.format} holds no {dtype}: add a convert_dtype step")
    if encode.format == "png" or dtype == "uint16":
        return {"bytes": encode_png(pixels), "path": f"{name}.png"}
    return {"bytes": encode_jpeg(pixels, encode.quality, encode.subsampling), "path": f"{name}.jpg"}
