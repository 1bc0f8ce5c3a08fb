"""What Prefect is told of a pipeline: its schedules, its form, its prefect.yaml. No server is needed to say it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.settings import isolate
from tasks.errors import RequestError

isolate()

from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule  # noqa: E402

from flows.deployments import form, prefect_yaml, read_deployments  # noqa: E402
from flows.request import Request  # noqa: E402

PLAIN = """version: 1
pipelines:
  photos:
    description: all of them
    source: {path: images}
    steps: [{resize: {size: 32}}]
"""


def written(folder: Path, more: str = "") -> Path:
    file = folder / "pipelines.yaml"
    file.write_text(PLAIN + more)
    return file


def test_each_schedule_becomes_one_of_prefects(tmp_path: Path) -> None:
    more = """    schedule:
      - {cron: "0 2 * * *", timezone: Europe/Berlin}
      - {interval: 6 hours}
      - {rrule: "FREQ=WEEKLY;BYDAY=MO", paused: true}
"""
    payload = read_deployments(written(tmp_path, more))["photos"].payload()
    cron, interval, rrule = payload["schedules"]
    assert isinstance(cron.schedule, CronSchedule)
    assert (cron.schedule.cron, cron.schedule.timezone, cron.active) == ("0 2 * * *", "Europe/Berlin", True)
    assert isinstance(interval.schedule, IntervalSchedule)
    assert interval.schedule.interval == timedelta(hours=6)
    assert isinstance(rrule.schedule, RRuleSchedule)
    assert not rrule.active
    assert (payload["concurrency_limit"], payload["concurrency_options"].collision_strategy) == (1, "ENQUEUE")


def test_an_interval_keeps_its_times_however_often_it_is_served(tmp_path: Path) -> None:
    file = written(tmp_path, "    schedule: {interval: 1 day}\n")
    first, second = (read_deployments(file)["photos"].schedules[0].schedule for _ in range(2))
    assert isinstance(first, IntervalSchedule)
    assert first == second
    assert first.anchor_date.isoformat().startswith("2020-01-01T00:00:00")


def test_what_prefect_cannot_run_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, '    schedule: {rrule: "FREQ=DAILY;BYDAY=XX"}\n')
    with pytest.raises(RequestError, match=r"pipelines\.yaml:7.*photos.*FREQ=DAILY;BYDAY=XX"):
        read_deployments(file)


def test_the_form_is_flat_and_holds_every_field_of_a_request() -> None:
    fields = form("photos", "/data/pipelines.yaml")["properties"]
    assert set(fields) == set(Request.model_fields)
    assert sorted(fields, key=lambda name: fields[name]["position"])[:4] == ["source", "output", "limit", "seed"]
    assert all(isinstance(field["type"], str) and "anyOf" not in field for field in fields.values())
    assert all(field["description"] for field in fields.values())


def test_the_form_cannot_become_another_pipelines() -> None:
    fields = form("photos", "/data/pipelines.yaml")["properties"]
    assert fields["pipeline"]["enum"] == ["photos"]
    assert fields["file"]["enum"] == ["/data/pipelines.yaml"]


def test_the_flow_takes_a_requests_fields_one_by_one() -> None:
    from flows.prepare import prepare

    assert set(prepare.parameters.properties) == set(Request.model_fields)
    assert prepare.validate_parameters({"pipeline": "photos", "limit": 3})["limit"] == 3


def test_an_empty_path_is_no_path() -> None:
    with pytest.raises(RequestError, match="source: expected a path"):
        Request(pipeline="photos", source="")


def test_prefect_yaml_says_the_same(tmp_path: Path) -> None:
    deployments = read_deployments(written(tmp_path, "    schedule: {interval: 60}\n"), there="/there/pipelines.yaml")
    told: dict[str, Any] = YAML(typ="safe").load(prefect_yaml(deployments, "nodes", "imagemill:1"))
    (one,) = told["deployments"]
    assert one["parameters"] == {"pipeline": "photos", "file": "/there/pipelines.yaml"}
    assert one["work_pool"] == {"name": "nodes", "job_variables": {"image": "imagemill:1"}}
    assert one["schedules"] == [
        {"interval": 60.0, "anchor_date": "2020-01-01T00:00:00", "timezone": "UTC", "active": True}
    ]
    assert one["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
