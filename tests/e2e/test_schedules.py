"""Served pipelines against a real server: schedules, a watched source, an automation, the form, the pages."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.e2e.conftest import SAMPLE, _environment
from tests.e2e.test_server import ask

T = TypeVar("T")

PATIENCE = 240  # seconds for what takes some ten on an idle machine
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OFTEN = """  often:
    source: {path: photos}
    steps: [{screen: {dark: {below: 0.32}}}, {resize: {size: 32}}]
    schedule: {interval: 5 seconds}
"""
PIPELINES = f"""version: 1
defaults: {{cluster: {{workers: 1}}}}
pipelines:
  watched:
    source: {{path: arriving}}
    steps: [{{resize: {{size: 32}}}}]
    watch: {{every: 1 second, settle: 1 second}}
  training:
    source: {{path: photos}}
    steps: [{{screen: {{dark: {{below: 0.32}}}}}}, {{resize: {{size: 16}}}}]
{OFTEN}"""


def until(look: Callable[[], T | None], what: str) -> T:
    """Ask again and again until there is an answer."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{what} did not come in {PATIENCE} s")


@dataclass
class Served:
    """A folder whose pipelines are served."""

    folder: Path
    url: str

    @property
    def file(self) -> Path:
        return self.folder / "pipelines.yaml"

    def deployments(self) -> dict[str, Any]:
        return {one["name"]: one for one in ask(self.url, "deployments/filter", {})}

    def runs(self, name: str, *states: str) -> list[dict[str, Any]]:
        """The runs of a deployment that have ended so, the first first."""
        wanted = {"deployments": {"name": {"any_": [name]}}, "flow_runs": {"state": {"type": {"any_": list(states)}}}}
        return list(ask(self.url, "flow_runs/filter", {**wanted, "sort": "START_TIME_ASC"}))

    def said(self) -> str:
        return (self.folder / "serve.log").read_text()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "photos").mkdir()
    (folder / "arriving").mkdir()
    for name in ("campus", "coffee", "tower", "poor_dark"):
        shutil.copy(SAMPLE / "quickstart" / "photos" / f"{name}.jpg", folder / "photos")
    (folder / "pipelines.yaml").write_text(PIPELINES)
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "serve"],
            cwd=folder,
            env={**_environment(folder / "prefect-home"), "PREFECT_API_URL": server},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        found = Served(folder, server)
        try:
            until(lambda: {"often", "watched", "training"} <= set(found.deployments()), "the deployments")
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0, found.said()


def test_a_schedule_makes_runs_one_after_the_other_and_only_the_first_has_work(served: Served) -> None:
    runs = until(lambda: (done := served.runs("often", "COMPLETED"))[2:] and done[:3], "three runs")
    messages = [run["state"]["message"] for run in runs]
    assert messages[0] == "3 kept, 1 rejected, 3 rows in version 1"
    assert messages[1:] == ["unchanged since version 1: 3 kept, 1 rejected"] * 2
    assert all("auto-scheduled" in run["tags"] for run in runs)
    times = [(datetime.fromisoformat(run["start_time"]), datetime.fromisoformat(run["end_time"])) for run in runs]
    assert all(before[1] <= after[0] for before, after in pairwise(times))
    assert not served.runs("often", "FAILED", "CRASHED")


def test_the_file_is_followed_and_one_with_mistakes_changes_nothing(served: Served) -> None:
    served.file.write_text(PIPELINES.replace("resize: {size: 16}", "rezise: {size: 16}"))
    until(lambda: "resize" in served.said(), "the mistake")
    assert {"often", "training"} <= set(served.deployments())
    changed = PIPELINES.replace(
        OFTEN, OFTEN.replace("often", "nightly").replace("interval: 5 seconds", 'cron: "0 2 * * *"')
    )
    served.file.write_text(changed)
    found = until(
        lambda: (there := served.deployments()) and "often" not in there and "nightly" in there and there, "it"
    )
    assert [one["schedule"]["cron"] for one in found["nightly"]["schedules"]] == ["0 2 * * *"]
    assert found["nightly"]["global_concurrency_limit"]["limit"] == 1
    assert "Traceback" not in served.said()


def test_a_new_file_starts_a_run_and_its_commit_what_an_automation_says(served: Served) -> None:
    ask(
        served.url,
        "automations/",
        {
            "name": "train on what has arrived",
            "trigger": {
                "type": "event",
                "expect": ["imagemill.dataset.committed"],
                "match": {"prefect.resource.id": "imagemill.dataset.watched"},
                "posture": "Reactive",
                "threshold": 1,
                "within": 0,
            },
            "actions": [
                {
                    "type": "run-deployment",
                    "source": "selected",
                    "deployment_id": served.deployments()["training"]["id"],
                    "parameters": {"limit": 4},
                }
            ],
        },
    )
    shutil.copy(next((served.folder / "photos").iterdir()), served.folder / "arriving")
    (run,) = until(lambda: served.runs("watched", "COMPLETED"), "the run")
    assert "watch" in run["tags"]
    (trained,) = until(lambda: served.runs("training", "COMPLETED"), "the training")
    assert trained["parameters"]["limit"] == 4
    assert "dataset:training-limit4" in trained["tags"]
    events = ask(served.url, "events/filter", {"filter": {"event": {"name": ["imagemill.dataset.committed"]}}})[
        "events"
    ]
    (told,) = [one["payload"] for one in events if one["payload"]["path"] == str(served.folder / "results" / "watched")]
    assert (told["version"], told["kept"], told["rejected"], told["rows"]) == (1, 1, 0, {"images": 1})


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"seed": "x"}, "seed"),
        ({"check": "maybe"}, "check"),
        ({"pipeline": "other"}, "pipeline"),
    ],
)
def test_the_form_refuses_what_cannot_be(served: Served, asked: dict[str, Any], field: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _ask_for_a_run(served, asked)
    assert f"'{field}'" in json.load(refused.value)["detail"]


def test_the_form_takes_what_can_be(served: Served) -> None:
    asked = {"source": "s3://bucket/photos", "output": "results/other", "limit": 10, "seed": 3}
    run = _ask_for_a_run(served, asked)
    assert asked.items() <= run["parameters"].items()
    assert run["parameters"]["file"] == str(served.file)


def _ask_for_a_run(served: Served, asked: dict[str, Any], at: str = "2099-01-01T00:00:00Z") -> dict[str, Any]:
    deployment = served.deployments()["training"]["id"]
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at}}
    body = {"parameters": asked, "state": state}
    found: dict[str, Any] = ask(served.url, f"deployments/{deployment}/create_flow_run", body)
    return found


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
def test_the_pages_show_the_run_its_summary_with_pictures_and_the_form(served: Served) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not served.runs("training", "COMPLETED"):
        _ask_for_a_run(served, {"limit": 4}, at="2020-01-01T00:00:00Z")
    run = until(lambda: served.runs("training", "COMPLETED"), "the training")[0]
    of_run = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    artifacts = {one["key"]: one["id"] for one in ask(served.url, "artifacts/filter", of_run)}
    base = served.url.removesuffix("/api")
    elsewhere: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("request", lambda request: elsewhere.append(request.url))
        page.goto(f"{base}/runs/flow-run/{run['id']}")
        page.get_by_text(run["name"]).first.wait_for()
        page.get_by_text("pipeline:training").first.wait_for()
        page.goto(f"{base}/artifacts/artifact/{artifacts['training-summary']}")
        page.get_by_role("heading", name="training, version 1").wait_for()
        picture = page.get_by_alt_text("rejected as dark")
        picture.wait_for()
        assert picture.evaluate("image => image.naturalHeight > 0")
        page.goto(f"{base}/deployments/deployment/{served.deployments()['training']['id']}/run")
        page.get_by_text("draw with this seed instead of the pipeline's").wait_for()
        browser.close()
    assert [url for url in elsewhere if not url.startswith((base, "data:", "blob:"))] == []
