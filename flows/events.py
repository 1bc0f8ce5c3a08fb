"""What Prefect's automations can wait for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event

from tasks.store.local import Store

COMMITTED = "imagemill.dataset.committed"


def committed(store: Store, version: Mapping[str, Any]) -> None:
    """Tell that a dataset has a new version, so that an automation can start what comes next, such as a training run.

    The resource is ``imagemill.dataset.NAME``, with the folder's name; the payload says the rest. In a flow run, which
    becomes a related resource. Where the server cannot be reached it is logged by Prefect and lost.
    """
    counts = version["counts"]
    emit_event(
        event=COMMITTED,
        resource={
            "prefect.resource.id": f"imagemill.dataset.{store.name}",
            "prefect.resource.name": store.name,
            "imagemill.dataset.path": store.location,
            "imagemill.pipeline": version["name"],
        },
        payload={
            "dataset": store.name,
            "path": store.location,
            "pipeline": version["name"],
            "version": version["version"],
            "sources": counts["listed"],
            "kept": counts["kept"],
            "rejected": counts["rejected"],
            "rows": {output: sum(splits.values()) for output, splits in counts["rows"].items()},
        },
    )
