"""Deployments: what Prefect is told of a pipeline, so that it runs by schedule, by a form, by an event.

One a pipeline, with its schedules. Runs of one never overlap: a second waits (``ENQUEUE``), since what was asked for,
by a schedule, a person or an event, is not to be lost; an unchanged collection then costs a listing.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from ruamel.yaml import YAML

from flows.prepare import prepare, refuse_unreachable, tags
from flows.request import Request
from tasks.errors import ImagemillError, RequestError
from tasks.pipeline.graph import build
from tasks.pipeline.models import ScheduleSpec
from tasks.pipeline.spec import PipelineSpec, read

ENTRYPOINT = "flows.prepare.prepare"  # a module's: found wherever imagemill is installed
FIRST = datetime(2020, 1, 1)  # noqa: DTZ001 - every interval counts from here, in its own time zone
FIXED = ("pipeline", "file")


@dataclass(frozen=True)
class Deployment:
    """One pipeline's deployment: all that is sent to Prefect, but for where it runs.

    ``file`` is the pipeline file's path where the runs are made.
    """

    spec: PipelineSpec
    file: str
    schedules: tuple[DeploymentScheduleCreate, ...]

    @classmethod
    def of(cls, spec: PipelineSpec, file: str) -> Deployment:
        """Check a pipeline's graph and its schedules. Raises ``RequestError``: nothing is registered then."""
        build(spec)
        return cls(spec, file, tuple(_scheduled(spec, i) for i in range(len(spec.schedules))))

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.spec.name

    def payload(self) -> dict[str, Any]:
        """Give what ``create_deployment`` takes: it makes a deployment, or replaces the one of this name."""
        store = Request(pipeline=self.name, file=self.file).place_of(self.spec)
        return {
            "name": self.name,
            "description": self.spec.description,
            "tags": tags(self.name, store),
            "entrypoint": ENTRYPOINT,
            "path": None,
            "parameters": {"pipeline": self.name, "file": self.file},
            "parameter_openapi_schema": form(self.name, self.file),
            "enforce_parameter_schema": True,
            "schedules": list(self.schedules),
            "paused": False,
            "concurrency_limit": 1,
            "concurrency_options": ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        }

    async def register(self, client: PrefectClient, **where: Any) -> UUID:
        """Tell the server. ``where`` names a work pool; nothing: whoever serves it."""
        try:
            flow_id = await client.create_flow_from_name(prepare.name)
            made = await client.create_deployment(flow_id=flow_id, **self.payload(), **where)
            if "work_pool_name" not in where:  # it may have had one before
                await client.update_deployment(made, DeploymentUpdate(work_pool_name=None, work_queue_name=None))
            return made
        except (ObjectNotFound, PrefectHTTPStatusError) as error:
            response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
            said = response.json().get("detail", response.text) if response is not None else error
            raise ImagemillError(f"{self.name}: Prefect's server refused the deployment: {said}") from error


def read_deployments(file: Path, names: tuple[str, ...] = (), *, there: str | None = None) -> dict[str, Deployment]:
    """Read the deployments of a file's pipelines, all of them where none is named.

    ``there`` is the file's path where the runs are made, where it is another. Raises ``RequestError`` with every
    mistake of the file.
    """
    found = read(file)
    return {name: Deployment.of(found.pipeline(name), there or str(file.absolute())) for name in names or found.names}


@contextmanager
def at_server(url: str) -> Iterator[None]:
    """Talk to this server. Raises ``ImagemillError`` where it does not answer."""
    with temporary_settings({PREFECT_API_URL: url}):
        refuse_unreachable()
        yield


async def register(deployments: Iterable[Deployment], pool: str, image: str | None) -> dict[str, UUID]:
    """Register deployments at a work pool, whose workers start ``image`` where it is given; give their ids."""
    variables = {"image": image} if image else {}
    async with get_client() as client:
        return {
            one.name: await one.register(client, work_pool_name=pool, job_variables=variables, pull_steps=[])
            for one in deployments
        }


def form(pipeline: str, file: str) -> dict[str, Any]:
    """Give the JSON Schema of a run's parameters as a flat form: what may be left out is a plain field, not a choice.

    What decides which pipeline it is stands last and cannot be changed.
    """
    fields = Request.model_json_schema()["properties"]
    fixed = dict(zip(FIXED, (pipeline, file), strict=True))
    ordered = [*(name for name in fields if name not in FIXED), *FIXED]
    properties: dict[str, Any] = {}
    for position, name in enumerate(ordered):
        field = dict(fields[name])
        for choice in field.pop("anyOf", ()):
            if choice["type"] != "null":
                field.update(choice)
                field.pop("default")
        properties[name] = {**field, "title": name.replace("_", " "), "position": position}
        if name in fixed:
            properties[name] |= {"default": fixed[name], "enum": [fixed[name]], "readOnly": True}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _scheduled(spec: PipelineSpec, number: int) -> DeploymentScheduleCreate:
    """Give Prefect's form of a schedule; its own rules are stricter than ours."""
    said = spec.schedules[number]
    try:
        return DeploymentScheduleCreate(schedule=_schedule(said), active=not said.paused)
    except ValueError as error:
        what = said.cron or said.rrule or said.interval
        raise RequestError(f"{spec.place('schedule')}: {spec.name}: Prefect cannot run {what!r}: {error}") from error


def _schedule(said: ScheduleSpec) -> CronSchedule | IntervalSchedule | RRuleSchedule:
    if said.cron is not None:
        return CronSchedule(cron=said.cron, timezone=said.timezone)
    if said.rrule is not None:
        return RRuleSchedule(rrule=said.rrule, timezone=said.timezone)
    assert said.interval is not None, "a schedule has one of cron, interval and rrule"
    anchor = FIRST.replace(tzinfo=ZoneInfo(said.timezone))
    return IntervalSchedule(interval=timedelta(seconds=said.interval), anchor_date=anchor, timezone=said.timezone)


def prefect_yaml(deployments: dict[str, Deployment], pool: str, image: str | None) -> str:
    """Give a ``prefect.yaml`` that says the same, for ``prefect deploy --all``."""
    told = {
        "name": "imagemill",
        "pull": [],
        "deployments": [_as_yaml(deployment, pool, image) for deployment in deployments.values()],
    }
    text = io.StringIO()
    yaml = YAML()
    yaml.width = 2**31
    yaml.dump(told, text)
    return "# Made by `imagemill deploy`; `prefect deploy --all` registers the same.\n" + text.getvalue()


def _as_yaml(deployment: Deployment, pool: str, image: str | None) -> dict[str, Any]:
    payload = deployment.payload()
    kept = ("name", "description", "tags", "entrypoint", "parameters")
    return {
        **{name: payload[name] for name in kept if payload[name]},
        "enforce_parameter_schema": True,
        "concurrency_limit": {"limit": payload["concurrency_limit"], "collision_strategy": "ENQUEUE"},
        "schedules": [_schedule_as_yaml(said) for said in deployment.spec.schedules],
        "work_pool": {"name": pool, **({"job_variables": {"image": image}} if image else {})},
    }


def _schedule_as_yaml(said: ScheduleSpec) -> dict[str, Any]:
    kind = next(name for name in ("cron", "interval", "rrule") if getattr(said, name) is not None)
    anchor = {"anchor_date": FIRST.isoformat()} if kind == "interval" else {}
    return {kind: getattr(said, kind), **anchor, "timezone": said.timezone, "active": not said.paused}
