"""The Prefect flow: discover, make, decide, make again, seal, commit, report. One Prefect task a stage."""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Annotated, Any, TypeVar
from uuid import UUID

from distributed import Client
from prefect import Flow, State, flow, get_client, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.context import get_run_context
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Completed, Failed
from pydantic import BaseModel

from flows.cluster import connect, dashboard
from flows.drive import drive
from flows.events import committed
from flows.monitor import Monitor
from flows.request import Request, Result, result_of
from tasks.errors import ImagemillError, RequestError
from tasks.load.files import without_credentials
from tasks.pipeline.graph import Graph
from tasks.report.publish import publish
from tasks.report.strips import strips
from tasks.run.commit import is_news, version_of
from tasks.run.make import Receipt, Unit, make, reject_unread
from tasks.run.platform import platform_class
from tasks.run.run import ROUNDS, Run
from tasks.run.seal import Sealed, Shard, seal
from tasks.store.lineage import Lineage
from tasks.store.local import Store

T = TypeVar("T")

SECONDS_A_SOURCE = 60.0  # a source that takes longer is taken for one that never ends
LEAST_SECONDS = 120.0

_monitor: ContextVar[Monitor | None] = ContextVar("monitor", default=None)


def start_flow(request: Request, *, quiet: bool, since: float, server: str | None = None) -> Result:
    """Run the flow here, and give the result or raise what went wrong.

    ``since`` is when the command began (``time.monotonic``), ``server`` the API to report to instead of the configured.
    """
    monitor = Monitor(request.pipeline, quiet=quiet, started=since)
    settings: dict[Any, Any] = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}  # its thread ends a second late
    if server is not None:
        settings[PREFECT_API_URL] = server
    token = _monitor.set(monitor)
    try:
        with temporary_settings(settings):
            refuse_unreachable()
            state: State[Any] = prepare(**request.model_dump(), return_state=True)
        result = state.result(raise_on_failure=False)
    finally:
        _monitor.reset(token)
        monitor.close()
    if isinstance(result, Result):
        return result
    if isinstance(result, BaseException):
        raise result
    raise ImagemillError(f"the flow run ended as {state.name}: {state.message}")


def refuse_unreachable() -> None:
    """Raise ``ImagemillError`` where Prefect's server does not answer: Prefect itself ends in a traceback."""
    with get_client(sync_client=True) as client:
        trouble = client.api_healthcheck()
        if trouble is not None:
            raise ImagemillError(
                f"Prefect's server at {client.api_url} does not answer ({trouble}): start it (`imagemill server`), "
                "correct PREFECT_API_URL, or unset it"
            )


def _run_name() -> str:
    return f"{(flow_run.parameters or {}).get('pipeline')}-{datetime.now().astimezone():%Y-%m-%d-%H%M%S}"


def _prepare(**asked: Any) -> State[Result]:
    """Turn a pipeline's source into a dataset."""
    request = Request(**asked)
    monitor = _monitor.get() or Monitor(request.pipeline, quiet=True, started=time.monotonic())
    try:
        graph = request.graph()
        store = request.place_of(graph.spec)  # what is there is fetched once it is locked
        with get_client(sync_client=True) as client:
            # A deployment's tag names its own dataset, and this run may write another.
            others = {tag for tag in flow_run.tags if not tag.startswith("dataset:")}
            client.update_flow_run(UUID(_run_id()), tags={*others, *tags(request.pipeline, store)})
        with store.locked(), ExitStack() as stack:
            result = Preparation(request, graph, store, monitor, stack).run_through()
    except ImagemillError as error:
        get_run_logger().error("%s", error)
        return _told(Failed(message=str(error), data=error))
    return _told(Completed(message=result.sentence, data=result))


def _told(state: State[Any]) -> State[Any]:
    """Say in one line how a run ended that no command waits for: whoever serves it reads that."""
    if _monitor.get() is None:
        print(f"{flow_run.name}: {state.message}", file=sys.stderr, flush=True)  # noqa: T201
    return state


def tags(pipeline: str, store: Store) -> list[str]:
    """Give what a run is found by on Prefect's pages."""
    return [f"pipeline:{pipeline}", f"dataset:{store.name}"]


def _by_fields(model: type[BaseModel]) -> inspect.Signature:
    """Give a signature that takes a model's fields one by one: Prefect shows and checks parameters by it."""
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.is_required() else field.default,
            annotation=Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation,
        )
        for name, field in model.model_fields.items()
    ]
    return inspect.Signature(parameters)


_prepare.__signature__ = _by_fields(Request)  # type: ignore[attr-defined]
prepare: Flow[..., State[Result]] = flow(name="prepare", flow_run_name=_run_name, persist_result=False)(_prepare)


class Preparation:
    """One flow run's stages over one ``Run``; the cluster starts when there is something to do."""

    run: Run

    def __init__(self, request: Request, graph: Graph, store: Store, monitor: Monitor, stack: ExitStack) -> None:
        self.request = request
        self.graph = graph
        self.store = store
        self.monitor = monitor
        self.stack = stack
        self.client: Client | None = None
        self.made = 0
        self.committed = False
        self.waited = 0.0  # for the cluster
        self.busy = 0.0  # all workers together
        self.files: list[Sealed | dict[str, Any]] = []
        self.seconds: dict[str, float] = {}
        above = flow_run.parent_flow_run_id
        source = without_credentials(request.source_of(graph.spec).path)
        self.lineage = Lineage(
            store, graph.spec.name, graph.spec.frozen, source, UUID(_run_id()), UUID(above) if above else None
        )

    def run_through(self) -> Result:
        """Take the run through all stages, in order, and send its lineage."""
        try:
            return self._run_through()
        except BaseException as error:
            self.lineage.fail(error)
            raise

    def _run_through(self) -> Result:
        self._stage("discover", self.discover)
        start = time.monotonic()
        self._stage("make", partial(self.make, "make", self.run.missing))
        self._stage("decide", self.run.decide)
        if self.run.stage.graph.waiting:
            self._stage("fit", self.run.fit)
        self._stage("make again", self.make_again)
        self._stage("seal", self.seal)
        working = time.monotonic() - start - self.waited
        version, changed = self._stage("commit", self.commit)
        self._stage("report", partial(self.publish, version))
        self.lineage.complete(version, self.run.stage.schemas)
        rate = self.run.listing.sources / working if self.made else 0.0
        result = result_of(
            self.store,
            version,
            changed=changed,
            made=self.made,
            seconds=time.monotonic() - self.monitor.started,
            rate=rate,
            run_id=_run_id(),
            dashboard=dashboard(self.client) if self.client else None,
            run_page=self.monitor.run_page,
            working=round(working, 3),
            busy=round(self.busy, 3),
            stages={name: round(seconds, 3) for name, seconds in self.seconds.items()},
        )
        self._summarize(result, version)
        return result

    def _summarize(self, result: Result, version: dict[str, Any]) -> None:
        """Put the summary on the run page; pictures only where the rejections are new, since they are read again."""
        about = {name: version[name] for name in ("files", "classes")}
        if result.changed:
            about["strips"] = strips(self.store, version, self.run.listing.source)
        self.monitor.summary({**result.as_json(), **about})

    def _stage(self, name: str, work: Callable[[], T]) -> T:
        """Run one stage as a Prefect task, called directly: it stays in this process."""
        start = time.monotonic()
        made: list[T] = []
        trouble: list[ImagemillError] = []

        @task(name=name, task_run_name=name, persist_result=False, cache_policy=NO_CACHE)
        def stage() -> State | None:
            try:
                with self.lineage.stage(name):
                    made.append(work())
                return None
            except ImagemillError as error:
                trouble.append(error)
            except OSError as error:
                what = "the dataset is as it was, what was made stays staged: mend it and run again"
                if self.committed:
                    what = "the new version is committed, but not all that shows it is written: mend it, run again"
                trouble.append(ImagemillError(f"{name}: {error}; {what}"))
                trouble[0].__cause__ = error
            return Failed(message=str(trouble[0]))

        state = stage(return_state=True)
        if trouble:
            raise trouble[0]
        state.result()  # raises what else went wrong
        self.seconds[name] = time.monotonic() - start
        return made[0]

    def discover(self) -> None:
        """List the source, put the run on top of the newest version, take up what a killed run left."""
        self.run = self.request.start(self.graph, self.store)
        self.stack.callback(self.run.listing.close)
        if not self.request.allow_shrink:
            self.run.refuse_shrunk()
        self.run.resume()
        if self.run.version is not None and not self.request.fresh:
            publish(self.store, self.run.version)  # what a killed run left behind
        self.monitor.discovered(self.run.listing.sources, self.store.location)
        self.lineage.sources = self.run.listing.sources
        if not self.run.is_unchanged():
            self.lineage.start()

    @property
    def threads(self) -> int:
        """How many units can run at a time."""
        if self.client is not None:
            return max(1, sum(int(threads) for threads in self.client.nthreads().values()))
        return self.request.workers or self.graph.spec.cluster.workers or os.cpu_count() or 1

    def connected(self) -> Client:
        """Give the cluster, started at the first call; its workers must all be of one platform class."""
        if self.client is None:
            start = time.monotonic()
            cluster = self.graph.spec.cluster
            asked = self.request
            self.client = self.stack.enter_context(
                connect(
                    workers=None if asked.scheduler else asked.workers or cluster.workers,
                    address=asked.scheduler or cluster.address,
                    class_name=None if asked.scheduler else cluster.class_,
                    arguments=None if asked.scheduler else cluster.arguments,
                    setup=("tasks.run.make", "tasks.operation:registry"),
                )
            )
            if not cluster.mixed:
                _refuse_mixed(self.client)
            self.monitor.connected(dashboard(self.client))
            self.lineage.running()
            self.waited += time.monotonic() - start
        return self.client

    def make(self, stage: str, missing: Callable[[int], Iterator[Unit]]) -> None:
        """Make the units that are missing, in the cluster; nothing starts where none is."""
        units = missing(self.threads)
        first = next(units, None)
        if first is None:
            return
        job = self.run.job
        outcomes = drive(
            self.connected(),
            partial(make, job=job),
            chain([first], units),
            name=lambda unit: f"make-{unit.name}",
            halves=Unit.halves,
            poisoned=lambda unit, reason, message: reject_unread(unit, job, reason, message),
            timeout=lambda unit: max(LEAST_SECONDS, SECONDS_A_SOURCE * unit.sources.num_rows),
        )
        with closing(outcomes), self.monitor.stage(stage, self.run.listing.sources) as progress:
            for outcome in outcomes:
                receipt: Receipt = outcome.result
                self.run.absorb([receipt.path])
                self.made += receipt.sources
                self.busy += outcome.seconds
                progress.advance(outcome, images=receipt.sources, rejected=receipt.rejected, rows=receipt.rows)

    def make_again(self) -> None:
        """Make what the decisions kept and nobody has made, and decide again; usually nothing."""
        for _ in range(ROUNDS):
            before = self.made
            self.make("make again", self.run.missing_again)
            if self.made == before:
                return
            self.run.decide()

    def seal(self) -> None:
        """Write the shards whose input has changed; the others stay, unopened."""
        stale: list[Shard] = []
        for shard in self.run.shards():
            entry = self.run.lies_there(shard)
            if entry is None:
                stale.append(shard)
            else:
                self.files.append(entry)
        if not stale:
            return
        outcomes = drive(
            self.connected(), partial(seal, job=self.run.job), stale, name=lambda s: f"seal-{s.output}-{s.name}"
        )
        with closing(outcomes), self.monitor.stage("seal", sum(one.promised.num_rows for one in stale)) as progress:
            for outcome in outcomes:
                self.files.append(outcome.result)
                self.busy += outcome.seconds
                progress.advance(outcome, images=outcome.item.promised.num_rows, rejected=0, rows=outcome.result.rows)

    def commit(self) -> tuple[dict[str, Any], bool]:
        """Check the sum and create the version; where nothing is new, only remember what was read."""
        version = version_of(self.run, self.files, _run_id())
        before = self.store.latest()
        if not is_news(version, before) and before is not None:
            self.run.remember()
            self.store.clear_staging()
            if self.request.fresh:  # what was damaged in the views is mended
                self.store.show(before)
            return before, False
        self.store.commit(version)
        self.committed = True
        self.store.clear_staging()
        return version, True

    def publish(self, version: dict[str, Any]) -> None:
        """Show the version, write its pages, and tell who waits for it."""
        publish(self.store, version)
        if self.committed:
            committed(self.store, version)


def _refuse_mixed(client: Client) -> None:
    classes = client.run(platform_class)
    if len({repr(one) for one in classes.values()}) > 1:
        raise RequestError(
            f"the workers are of {len({repr(one) for one in classes.values()})} platform classes "
            f"({', '.join(sorted(classes))}): they would not make the same bytes; use machines of one kind with the "
            "same packages, or say `cluster: {mixed: true}`"
        )


def _run_id() -> str:
    context = get_run_context()
    found = getattr(context, "flow_run", None) or getattr(context, "task_run", None)
    identity = getattr(found, "flow_run_id", None) or getattr(found, "id", "")
    return str(identity)
