"""What a real Prefect server knows of a run: its name, its stages, its units, its summary, its error."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.e2e.conftest import ROOT, Command

PIPELINES = ROOT / "pipelines.yaml"


def ask(server: str, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{server}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_a_run_shows_its_stages_units_and_summary(command: Command, server: str, photos: Path) -> None:
    arguments = ("quickstart", "--file", PIPELINES, "--source", photos, "--output", "out")
    result = command.run(*arguments)
    of_run = {"flow_runs": {"id": {"any_": [result["run_id"]]}}}
    (run,) = ask(server, "flow_runs/filter", of_run)
    assert run["name"].startswith("quickstart-")
    assert run["state_type"] == "COMPLETED"
    assert run["parameters"]["pipeline"] == "quickstart"
    assert {"pipeline:quickstart", "dataset:out"} <= set(run["tags"])
    assert run["state"]["message"] == (
        f"{result['kept']} kept, {result['rejected']} rejected, {result['rows']} rows in version 1"
    )
    stages = {task["name"]: task["state_type"] for task in ask(server, "task_runs/filter", of_run)}
    assert set(stages) == {"discover", "make", "decide", "make again", "seal", "commit", "report"}
    assert set(stages.values()) == {"COMPLETED"}
    artifacts = {one["key"]: one for one in ask(server, "artifacts/filter", {**of_run, "sort": "CREATED_DESC"})}
    assert artifacts["quickstart-make"]["data"] == 100.0
    units = json.loads(artifacts["quickstart-make-units"]["data"])
    assert {"unit", "state", "seconds", "retries", "rows"} <= set(units[0])
    shards = json.loads(artifacts["quickstart-seal-units"]["data"])
    assert any("images" in shard["unit"] for shard in shards)
    assert f"{result['sources']:,}" in artifacts["quickstart-summary"]["data"]
    assert "truncated" in artifacts["quickstart-summary"]["data"]
    assert "![rejected as blurry](data:image/webp;base64," in artifacts["quickstart-summary"]["data"]
    assert "/status" in artifacts["quickstart-dashboard"]["data"]
    assert result["run_page"].startswith(server.removesuffix("/api"))
    again = command.run(*arguments)
    (run,) = ask(server, "flow_runs/filter", {"flow_runs": {"id": {"any_": [again["run_id"]]}}})
    assert (again["changed"], run["state_type"]) == (False, "COMPLETED")


def test_a_failed_run_says_why_on_its_page(command: Command, server: str) -> None:
    (command.folder / "empty").mkdir()
    done = command("run", "quickstart", "--file", PIPELINES, "--source", "empty", "--output", "out")
    assert done.code == 1
    failed = ask(server, "flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}})
    assert any("there is nothing in it" in run["state"]["message"] for run in failed)
