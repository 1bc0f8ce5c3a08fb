"""What a run is asked for and what it came to: plain values, and the one function that runs a pipeline.

Nothing here imports Prefect or Dask: an unchanged collection is found out without them.
"""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from flows.server import is_configured, started
from flows.settings import isolate
from tasks.errors import RequestError
from tasks.load.source import SourceSpec
from tasks.pipeline.graph import Graph, build
from tasks.pipeline.spec import PipelineSpec, read
from tasks.run.discover import opened
from tasks.run.fits import known_fits
from tasks.run.run import Run, refuse_another
from tasks.store.fits import in_words
from tasks.store.local import Store
from tasks.store.remote import ObjectStore

ONE_SLASH = re.compile(r"[a-z][a-z0-9]+:/")  # and no drive's letter


class Request(BaseModel):
    """What a run is asked for: the flow's parameters, and the form that Prefect's page shows for them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str = Field(description="the pipeline's name in the file")
    file: str = Field("pipelines.yaml", description="the pipeline file")
    source: str | None = Field(
        None, min_length=1, description="read this folder, file or URL instead of the pipeline's source"
    )
    output: str | None = Field(None, min_length=1, description="write this dataset instead of the pipeline's output")
    limit: int | None = Field(None, ge=1, description="only the N smallest keys, into OUTPUT-limitN")
    seed: int | None = Field(None, ge=0, description="draw with this seed instead of the pipeline's")
    workers: int | None = Field(None, ge=1, description="worker processes; by default one a CPU")
    scheduler: str | None = Field(None, min_length=1, description="the address of a running Dask scheduler")
    check: Literal["etag", "content"] = Field(
        "etag", description="what tells a changed file: size and etag, or reading"
    )
    fresh: bool = Field(False, description="make everything again, whatever is known")
    refit: bool = Field(False, description="fit again what fitted steps are pinned to")
    allow_shrink: bool = Field(False, description="go on though the source is empty, has moved or lost many images")

    @field_validator("source", "output", "scheduler", mode="before")
    @classmethod
    def _not_empty(cls, value: Any, about: ValidationInfo) -> Any:
        if value == "":
            raise RequestError(f"{about.field_name}: expected a path or an address, got an empty text: leave it out")
        return value

    def start(self, graph: Graph, store: Store, spill: Path | None = None) -> Run:
        """List the source, on top of what the dataset holds."""
        source = self.source_of(graph.spec)
        return Run.start(graph, source, store, self.limit, self.fresh, self.check == "content", self.refit, spill)

    def graph(self) -> Graph:
        """Read and check the pipeline. Raises ``RequestError`` with every mistake of the file."""
        spec = read(Path(self.file)).pipeline(self.pipeline)
        if self.seed is not None:
            spec = _seeded(spec, self.seed)
        graph = build(spec)
        if graph.waiting and not isinstance(place := self.place_of(spec), ObjectStore):  # whose version is not here yet
            known_fits(graph, None if self.fresh or self.refit else place.latest())
        return graph

    def source_of(self, spec: PipelineSpec) -> SourceSpec:
        """Give the source to read: the pipeline's, or the one that is asked for instead."""
        if self.source is None:
            return spec.source
        path = self.source if "://" in self.source else str(Path.cwd() / Path(self.source).expanduser())
        return spec.source.model_copy(update={"path": path})

    def store_of(self, spec: PipelineSpec) -> Store:
        """Give the dataset to write, with what its newest version names at hand."""
        store = self.place_of(spec)
        return store.pull() if isinstance(store, ObjectStore) else store

    def place_of(self, spec: PipelineSpec) -> Store:
        """Say which dataset is to be written; nothing is fetched."""
        output = self.output if self.output is not None else spec.output
        if self.output is None and self.limit is not None:
            output = f"{output}-limit{self.limit}"
        if "://" in output:
            return ObjectStore.at(output)
        if ONE_SLASH.match(output):
            raise RequestError(f"{output}: a URL has two slashes: {output.replace(':/', '://', 1)}?")
        store = Store(Path.cwd() / Path(output).expanduser())
        store.refuse_file()
        return store


def _seeded(spec: PipelineSpec, seed: int) -> PipelineSpec:
    return replace(spec, seed=seed, frozen={**spec.frozen, "seed": seed})


@dataclass(frozen=True)
class Result:
    """What a run came to. ``sources`` is ``kept`` plus ``rejected``; ``rows`` are those of the first output.

    ``reasons`` and ``flagged`` count the rejected, and what was noted of images that stay, by reason.

    ``seconds`` is the whole run from the command's start; ``images_per_second`` is sources over ``working``, the time
    from make through seal with the cluster up; ``busy`` is what the workers worked in it, added up.
    """

    pipeline: str
    output: str
    version: int
    changed: bool
    sources: int
    kept: int
    rejected: int
    rows: int
    outputs: dict[str, dict[str, int]]
    reasons: dict[str, int]
    made: int
    seconds: float
    images_per_second: float
    run_id: str
    report: str
    dashboard: str | None = None
    run_page: str | None = None
    flagged: dict[str, int] = field(default_factory=dict)
    fits: dict[str, str] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    working: float = 0.0
    busy: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """Say it in one sentence, the facts first: pages cut it after some 66 characters."""
        if not self.changed:
            return f"unchanged since version {self.version}: {self.kept:,} kept, {self.rejected:,} rejected"
        return f"{self.kept:,} kept, {self.rejected:,} rejected, {self.rows:,} rows in version {self.version}"


SPLITS = ("train", "validation", "test")


def _rank(split: tuple[str, int]) -> tuple[int, str]:
    return SPLITS.index(split[0]) if split[0] in SPLITS else len(SPLITS), split[0]


def result_of(
    store: Store, version: dict[str, Any], *, changed: bool, made: int, seconds: float, rate: float, **about: Any
) -> Result:
    """Give the result of a run that ended with this version."""
    counts = version["counts"]
    return Result(
        pipeline=version["name"],
        output=store.location,
        version=version["version"],
        changed=changed,
        sources=counts["listed"],
        kept=counts["kept"],
        rejected=counts["rejected"],
        rows=sum(counts["rows"][version["outputs"][0]].values()),
        outputs={name: dict(sorted(counts["rows"][name].items(), key=_rank)) for name in version["outputs"]},
        reasons=counts["reasons"],
        flagged=version.get("flagged", {}),
        made=made,
        seconds=round(seconds, 3),
        images_per_second=round(rate, 1),
        report=f"{store.location}/report.html",
        fits={name: in_words(fit) for name, fit in version.get("fits", {}).items()},
        **about,
    )


def run(
    pipeline: str,
    *,
    file: str | Path = "pipelines.yaml",
    source: str | Path | None = None,
    output: str | Path | None = None,
    seed: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    limit: int | None = None,
    check: Literal["etag", "content"] = "etag",
    fresh: bool = False,
    refit: bool = False,
    allow_shrink: bool = False,
    quiet: bool = True,
) -> Result:
    """Run a pipeline of a file, and give what it came to.

    ``source`` and ``output`` replace the pipeline's own. ``workers`` local processes do the work, or the cluster at
    ``scheduler``. Raises ``RequestError`` where the request is wrong (nothing was started) and ``ImagemillError``
    where the run failed.
    """
    request = Request(
        pipeline=pipeline,
        file=str(file),
        source=None if source is None else str(source),
        output=None if output is None else str(output),
        seed=seed,
        workers=workers,
        scheduler=scheduler,
        limit=limit,
        check=check,
        fresh=fresh,
        refit=refit,
        allow_shrink=allow_shrink,
    )
    return submit(request, quiet=quiet)


def submit(request: Request, *, quiet: bool) -> Result:
    """Check the whole request, then run it: as a Prefect flow, unless nothing has changed and no server is to know.

    A source that is not there and a dataset that cannot be written are found out before any server starts.
    """
    start = time.monotonic()
    graph = request.graph()
    store = request.store_of(graph.spec)
    refuse_another(graph.spec.name, store.latest(), store, request.fresh)
    source = opened(graph, request.source_of(graph.spec))
    if "://" not in source.root and store.root.resolve() == Path(source.root).resolve():
        raise RequestError(f"{store.root} is its own source: name another --output, in it or beside it")
    with store.locked():
        pass
    if not is_configured() and store.latest() is not None and not request.fresh:
        unchanged = _unchanged(request, graph, store, start)
        if unchanged is not None:
            return unchanged
    isolate()
    server = started()
    from flows.prepare import start_flow

    if server is None:
        return start_flow(request, quiet=quiet, since=start)
    server.ready()
    result = start_flow(request, quiet=quiet, since=start, server=server.url)
    return replace(result, run_page=None)  # its pages end with this process


def explain(request: Request) -> dict[str, Any]:
    """Say what the run that is asked for would read, make, reuse and write, and why. Nothing is started or written."""
    from tasks.run.explain import explained, foreseen

    graph = request.graph()
    store = request.store_of(graph.spec)
    with foreseen(partial(request.start, graph, store)) as run:
        if not request.allow_shrink:
            run.refuse_shrunk()
        return {"pipeline": graph.spec.name, "output": store.location, **explained(run)}


def _unchanged(request: Request, graph: Graph, store: Store, start: float) -> Result | None:
    """Find out, without a server or a cluster, that there is nothing to do."""
    with store.locked():
        run = request.start(graph, store)
        try:
            if not request.allow_shrink:
                run.refuse_shrunk()
            run.resume()
            version = store.latest()
            if version is None or not run.is_unchanged():
                return None
            if not (store.is_shown(version) and store.is_written(version)):
                from tasks.report.publish import publish

                publish(store, version)
        finally:
            run.listing.close()
    seconds = time.monotonic() - start
    return result_of(store, version, changed=False, made=0, seconds=seconds, rate=0.0, run_id=version["run_id"])
