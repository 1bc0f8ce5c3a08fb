"""Serve: keep a file's pipelines deployed, run here what is due, and start runs of the sources that are watched.

Follows the file while it goes on: what was added, changed or removed in it is so at the server a second later; a file
with mistakes changes nothing until it is mended. Ends with Ctrl-C or SIGTERM: runs in progress are cancelled (the next
ones go on from what they had staged), and nothing is scheduled while nobody serves.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import anyio.abc
import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner
from prefect.states import Cancelled, Scheduled

from flows.deployments import Deployment, read_deployments
from flows.watch import Watch
from tasks.errors import ImagemillError, RequestError

LOOK_AT_FILE = 1.0  # seconds between two looks at the pipeline file
ASK = 3.0  # seconds between two questions for runs that are due
THIN = 5.0  # seconds between two looks at the runs that wait for another
WATCHED = "watch"  # the tag of runs that a watched source has started
BY_SCHEDULE = "auto-scheduled"  # Prefect's own tag

Say = Callable[[str], None]


async def serve(file: Path, names: tuple[str, ...], say: Say) -> None:
    """Serve a file's pipelines, all of them where none is named, until this process is told to end."""
    deployments = read_deployments(file, names)
    # Runs import imagemill as this process did, not a `flows` package that may lie where it was started.
    os.environ["PYTHONSAFEPATH"] = "1"
    ended = asyncio.Event()
    end = partial(asyncio.get_running_loop().call_soon_threadsafe, ended.set)
    _take_ctrl_c(end)
    async with get_client() as client, anyio.create_task_group() as group:
        serving = Serving(file, names, say, client, _Runner(end), group)
        try:
            await serving.update(deployments)
            group.start_soon(serving.run, ended.set)
            group.start_soon(serving.follow)
            group.start_soon(serving.thin)
            await ended.wait()
        except (ImagemillError, httpx.HTTPError) as error:  # raised below: a task group would wrap it
            serving.trouble = str(error)
        finally:
            with anyio.CancelScope(shield=True):
                await serving.stop()
            group.cancel_scope.cancel()
    if serving.trouble:
        raise ImagemillError(serving.trouble)


def _take_ctrl_c(end: Callable[[], object]) -> None:
    """Let Ctrl-C end us and not the runs, which inherit that it is blocked: we cancel them. A second one kills us."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, end)  # a thread that is there may not block it
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def wait() -> None:
        signal.sigwait({signal.SIGINT})
        end()
        signal.sigwait({signal.SIGINT})
        os._exit(130)

    threading.Thread(target=wait, name="ctrl-c", daemon=True).start()


class _Runner(Runner):
    """Prefect's runner, told to end as we are: its own way raises in the middle of whatever goes on."""

    def __init__(self, end: Callable[[], object]) -> None:
        super().__init__(name="imagemill", query_seconds=ASK, pause_on_shutdown=False, limit=None)
        self._end = end

    def handle_sigterm(self, *_: Any) -> None:
        """End."""
        self._end()


class _Registered(RunnerDeployment):
    """A deployment that the server knows already: the runner only takes its id."""

    known: UUID

    async def aapply(self, *_: Any, **__: Any) -> UUID:
        """Give the id."""
        return self.known


class Serving:
    """What is served at present."""

    def __init__(
        self,
        file: Path,
        names: tuple[str, ...],
        say: Say,
        client: PrefectClient,
        runner: Runner,
        group: anyio.abc.TaskGroup,
    ) -> None:
        self.file = file
        self.names = names
        self.say = say
        self.client = client
        self.runner = runner
        self.group = group
        self.served: dict[str, Deployment] = {}
        self.ids: dict[str, UUID] = {}
        self.watching: dict[str, anyio.CancelScope] = {}
        self.trouble = ""

    async def run(self, end: Callable[[], object]) -> None:
        """Run what is due, until the server has been gone for long."""
        try:
            await self.runner.start()
        except* (httpx.HTTPError, RuntimeError) as errors:
            self.trouble = f"Prefect's server is gone, and nothing can be served: {errors.exceptions[0]}"
            end()

    async def update(self, deployments: Mapping[str, Deployment]) -> None:
        """Make the server, and the watches, what the file says."""
        for name in set(self.served) - set(deployments):
            await self._remove(name)
        for name, deployment in deployments.items():
            before = self.served.get(name)
            if before is None or before.payload() != deployment.payload():
                self.ids[name] = await deployment.register(self.client)
                await self.runner.aadd_deployment(_Registered(name=name, known=self.ids[name]))
                self.say(f"{name}: {told(deployment)}")
            if before is None or _watched(before) != _watched(deployment):
                self._watch(name, deployment)
            self.served[name] = deployment

    async def _remove(self, name: str) -> None:
        self._unwatch(name)
        del self.served[name]
        with suppress(ObjectNotFound):  # somebody deleted it on Prefect's pages
            await self.client.delete_deployment(self.ids.pop(name))
        self.say(f"{name}: no longer in {self.file}; its runs stay on Prefect's pages")

    async def follow(self) -> None:
        """Look at the file again and again."""
        last = _stamp(self.file)
        while True:
            await anyio.sleep(LOOK_AT_FILE)
            stamp = _stamp(self.file)
            if stamp == last:
                continue
            last = stamp
            try:
                deployments = await anyio.to_thread.run_sync(partial(read_deployments, self.file, self.names))
                await self.update(deployments)
            except ImagemillError as error:
                self.say(f"{error}\n{self.file} has changed, and is not served so: what was before goes on")
            except httpx.HTTPError as error:
                self.say(f"{self.file} has changed, and Prefect's server does not take it ({error}); trying again")
                last = None

    def _watch(self, name: str, deployment: Deployment) -> None:
        self._unwatch(name)
        if deployment.spec.watch is not None:
            self.watching[name] = anyio.CancelScope()
            watch = Watch(deployment.spec.source, deployment.spec.watch)
            self.group.start_soon(self._look, name, watch, self.watching[name])

    def _unwatch(self, name: str) -> None:
        if name in self.watching:
            self.watching.pop(name).cancel()

    async def _look(self, name: str, watch: Watch, scope: anyio.CancelScope) -> None:
        """Look at one source until it is no longer watched; what is wrong with it is said once."""
        trouble = ""
        with scope:
            while True:
                try:
                    if await anyio.to_thread.run_sync(watch.look):
                        await self._start(name)
                        watch.started()
                    trouble = ""
                except (RequestError, OSError, httpx.HTTPError, ObjectNotFound) as error:
                    if str(error) != trouble:
                        trouble = str(error)
                        self.say(f"{name}: cannot be watched at present: {trouble}")
                await anyio.sleep(watch.wait)

    async def _start(self, name: str) -> None:
        """Start a run, unless one waits already: that one will find the new files."""
        waiting = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
        if not await self._runs([self.ids[name]], waiting, WATCHED):
            state: State[Any] = Scheduled(message="its source has changed")
            run = await self.client.create_flow_run_from_deployment(self.ids[name], state=state, tags=[WATCHED])
            self.say(f"{name}: its source has changed and settled: {run.name} starts")

    async def thin(self) -> None:
        """Let one run wait where several of a schedule do, since it makes what they would: a queue has an end."""
        waiting = FlowRunFilterState(name=FlowRunFilterStateName(any_=["AwaitingConcurrencySlot"]))
        while True:
            await anyio.sleep(THIN)
            with suppress(httpx.HTTPError):  # the next look is soon
                runs = await self._runs(list(self.ids.values()), waiting, BY_SCHEDULE)
                for _, some in groupby(sorted(runs, key=_order), key=lambda run: run.deployment_id):
                    for run in list(some)[1:]:
                        skipped: State[Any] = Cancelled(message="skipped: an earlier run of its schedule waits")
                        await self.client.set_flow_run_state(run.id, skipped)

    async def _runs(self, deployments: list[UUID], state: FlowRunFilterState, tag: str) -> list[FlowRun]:
        return await self.client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=deployments)),
            flow_run_filter=FlowRunFilter(state=state, tags=FlowRunFilterTags(all_=[tag])),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        )

    async def stop(self) -> None:
        """Cancel what runs, and schedule nothing more until it is served again."""
        if self.runner.started:
            await self.runner.astop()
        for name, identity in self.ids.items():
            try:
                await self.client.pause_deployment(identity)
            except ObjectNotFound:
                continue
            except Exception as error:  # noqa: BLE001 - the server may have ended before us
                self.say(f"{name}: its schedules could not be paused: {error}")
                return


def _order(run: FlowRun) -> tuple[str, str]:
    return str(run.deployment_id), str(run.expected_start_time)


def told(deployment: Deployment) -> str:
    """Say in one line when a pipeline runs."""
    spec = deployment.spec
    times = [
        f"{said.cron or said.rrule or f'every {said.interval:g} s'}{' (paused)' if said.paused else ''}"
        for said in spec.schedules
    ]
    if spec.watch is not None:
        times.append(f"when its source changes (looked at every {spec.watch.every:g} s)")
    return "; ".join(times) or "when it is started by hand or by an event"


def _watched(deployment: Deployment) -> tuple[Any, ...]:
    return deployment.spec.source, deployment.spec.watch


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
