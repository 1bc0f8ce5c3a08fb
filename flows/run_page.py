"""Prefect's page of a run: its artifacts, and the summary at its end."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

log = logging.getLogger("imagemill")


class RunPage:
    """Prefect's artifacts of the flow run that this happens in; nothing outside of one.

    An artifact that Prefect does not take is logged, and the run goes on: the page is not the data. Keys are the same
    in each run of a pipeline, so Prefect keeps their history.
    """

    def __init__(self) -> None:
        self._bars: dict[str, UUID] = {}

    @property
    def live(self) -> bool:
        """Whether anyone can watch: the embedded server has no pages and ends with the run."""
        return self._is_in_run() and bool(_prefect_setting("PREFECT_API_URL"))

    @property
    def address(self) -> str | None:
        """The run's page; None without a server that outlives the run."""
        if not self.live:
            return None
        from prefect.context import FlowRunContext, TaskRunContext
        from prefect.utilities.urls import url_for

        flow, task = FlowRunContext.get(), TaskRunContext.get()
        run_id = flow.flow_run.id if flow and flow.flow_run else task.task_run.flow_run_id if task else None
        return url_for("flow-run", obj_id=run_id) if run_id else None

    def progress(self, key: str, percent: float, text: str) -> None:
        """Show how far the stage is."""
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        percent = min(max(percent, 0.0), 100.0)
        if key in self._bars:
            self._try(lambda: update_progress_artifact(self._bars[key], percent, text))
        else:
            made = self._try(lambda: create_progress_artifact(percent, key, text))
            if isinstance(made, UUID):
                self._bars[key] = made

    def table(self, key: str, rows: list[dict[str, Any]], text: str) -> None:
        """Show rows, in this order: the page cannot sort them."""
        from prefect.artifacts import create_table_artifact

        self._try(lambda: create_table_artifact(rows, key, text))

    def markdown(self, key: str, text: str) -> None:
        """Show a text."""
        from prefect.artifacts import create_markdown_artifact

        self._try(lambda: create_markdown_artifact(text, key))

    def link(self, key: str, url: str, text: str) -> None:
        """Show where something is."""
        from prefect.artifacts import create_link_artifact

        self._try(lambda: create_link_artifact(url, link_text=url, key=key, description=text))

    def _try(self, send: Callable[[], object]) -> object:
        try:
            return send() if self._is_in_run() else None
        except Exception as error:  # noqa: BLE001 - any failure of the page is only that
            log.warning("the run page could not be updated: %s", error)
            return None

    @staticmethod
    def _is_in_run() -> bool:
        if "prefect" not in sys.modules:
            return False
        from prefect.context import FlowRunContext, TaskRunContext

        return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def artifact_key(*parts: str) -> str:
    """Lower case, digits, dashes: all that Prefect takes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def summary(counts: Mapping[str, Any]) -> str:
    """What came of a run, as Markdown: counts, the dataset, rejections by reason, and where things are.

    ``counts`` has any of a ``Result``'s fields, and beside them ``files`` (a version's entries), ``classes`` (their
    names) and ``strips`` (a picture by reason, as a data URI).
    """
    title = str(counts.get("pipeline", "run"))
    if counts.get("version") is not None:
        title += f", version {counts['version']}"
    parts = [f"# {_cell(title)}"]
    names = {"sources": "images", "kept": "kept", "rejected": "rejected", "seconds": "seconds"}
    figures = [(shown, counts[name]) for name, shown in names.items() if name in counts]
    if counts.get("images_per_second"):
        figures.append(("images a second", counts["images_per_second"]))
    if counts.get("classes"):
        figures.append(("classes", len(counts["classes"])))
    if figures:
        parts.append(_markdown_table(("", ""), figures))
    if outputs := counts.get("outputs"):
        parts.append("## Dataset\n\n" + _dataset(outputs, counts.get("files", ())))
    if reasons := counts.get("reasons"):
        parts.append("## Rejected\n\n" + _rejections(reasons, counts.get("strips", {})))
    if flagged := counts.get("flagged"):
        parts.append("## Flagged\n\n" + _rejections(flagged, {}))
    places = {"output": "dataset", "report": "report"}
    if where := [(shown, f"`{counts[name]}`") for name, shown in places.items() if counts.get(name)]:
        parts.append("## Where\n\n" + _markdown_table(("", ""), where))
    return "\n\n".join(parts) + "\n"


def _dataset(outputs: Mapping[str, Mapping[str, int]], files: Iterable[Mapping[str, Any]]) -> str:
    lying = list(files)
    rows = []
    for output, splits in outputs.items():
        for split, count in splits.items():
            of = [entry["bytes"] for entry in lying if (entry["output"], entry["split"]) == (output, split)]
            rows.append((output, split, count, *((len(of), f"{sum(of) / 1e3:,.0f} kB") if of else ())))
    head = ("output", "split", "rows", *(("files", "size") if lying else ()))
    return _markdown_table(head, rows)


def _rejections(reasons: Mapping[str, int], strips: Mapping[str, str]) -> str:
    most_first = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    if not strips:
        return _markdown_table(("reason", "images"), most_first)
    pictures = {reason: f"![rejected as {_cell(reason)}]({uri})" for reason, uri in strips.items()}
    return _markdown_table(("reason", "images", "such as"), [(*one, pictures.get(one[0], "")) for one in most_first])


def _markdown_table(head: tuple[str, ...], rows: list[Any]) -> str:
    numbers = [all(isinstance(row[column], (int, float)) for row in rows) for column in range(len(head))]
    lines = [head, tuple("--:" if right else "---" for right in numbers), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _prefect_setting(name: str) -> object:
    from prefect import settings

    return getattr(settings, name).value()
