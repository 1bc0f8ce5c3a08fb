"""What Prefect's automations can wait for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.events import emit_event

COMMITTED = "imagemill.dataset.committed"


def committed(root: Path, version: Mapping[str, Any]) -> None:
    """Tell that a dataset has a new version, so that an automation can start what comes next, such as a training run.

    The resource is ``imagemill.dataset.NAME``, with the folder's name; the payload says the rest. In a flow run, which
    becomes a related resource. Where the server cannot be reached it is logged by Prefect and lost.
    """
    counts = version["counts"]
    emit_event(
        event=COMMITTED,
        resource={
            "prefect.resource.id": f"imagemill.dataset.{root.name}",
            "prefect.resource.name": root.name,
            "imagemill.dataset.path": str(root),
            "imagemill.pipeline": version["name"],
        },
        payload={
            "dataset": root.name,
            "path": str(root),
            "pipeline": version["name"],
            "version": version["version"],
            "sources": counts["listed"],
            "kept": counts["kept"],
            "rejected": counts["rejected"],
            "rows": {output: sum(splits.values()) for output, splits in counts["rows"].items()},
        },
    )
