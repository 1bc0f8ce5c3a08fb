"""What the terminal and the run page show while a run goes on: one view of each, fed from the drive's outcomes."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from flows.drive import Outcome

LINE_EVERY = 10.0  # seconds between two lines where no terminal shows a bar
PAGE_EVERY = 1.0  # seconds between two updates of the run page: each is a request
TABLE_ROWS = 200  # of units on the run page, which shows a table whole

log = logging.getLogger("imagemill")


class Page(Protocol):
    """Where artifacts go."""

    @property
    def live(self) -> bool:
        """Whether anyone can watch while it goes on."""

    def progress(self, key: str, percent: float, text: str) -> None:
        """Show how far the stage is."""

    def table(self, key: str, rows: list[dict[str, Any]], text: str) -> None:
        """Show rows, in this order."""

    def markdown(self, key: str, text: str) -> None:
        """Show a text."""


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


class Monitor:
    """One run's view: ``with monitor.stage("make", 1000) as progress: progress.advance(outcome, images=32)``."""

    def __init__(
        self,
        pipeline: str,
        *,
        quiet: bool = False,
        started: float | None = None,
        page: Page | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pipeline = pipeline
        self.quiet = quiet
        self.started = clock() if started is None else started
        self.page: Page = page if page is not None else RunPage()
        self.stream = stream if stream is not None else sys.stderr
        self.clock = clock

    @property
    def run_page(self) -> str | None:
        """Where the run page is; None without a server."""
        return self.page.address if isinstance(self.page, RunPage) else None

    def discovered(self, images: int, dataset: str) -> None:
        """Say what there is and where it goes."""
        self.say(f"{self.pipeline}: {images:,} images, into {dataset}")

    def connected(self, dashboard: str | None) -> None:
        """Say where the units can be watched."""
        if dashboard:
            self.say(f"{self.pipeline}: watch the units at {dashboard}")
        if address := self.run_page:
            self.say(f"{self.pipeline}: watch the stages at {address}")

    def say(self, line: str) -> None:
        """Write one line, unless quiet."""
        if not self.quiet:
            print(line, file=self.stream, flush=True)

    @contextmanager
    def stage(self, name: str, images: int) -> Iterator[Progress]:
        """Show the stage until it ends, however it ends."""
        progress = Progress(self, name, images)
        try:
            yield progress
        except BaseException:
            progress.close(whole=False)
            raise
        progress.close(whole=True)

    def summary(self, counts: Mapping[str, Any]) -> str:
        """Put the summary on the run page, and give its text."""
        text = summary(counts)
        self.page.markdown(artifact_key(self.pipeline, "summary"), text)
        return text

    def close(self) -> None:
        """Nothing stays open between stages."""


class Progress:
    """One stage: a bar on a terminal, a line every ten seconds elsewhere, and an artifact on the run page."""

    def __init__(self, monitor: Monitor, stage: str, images: int) -> None:
        self.monitor = monitor
        self.stage = stage
        self.total = images
        self.done = 0
        self.rejected = 0
        self.rows = 0
        self.units = 0
        self.retried = 0
        self.key = artifact_key(monitor.pipeline, stage)
        self.start = self._said = self._sent = monitor.clock()
        self._worst: list[tuple[tuple[int, int, float], int, dict[str, Any]]] = []
        self._serial = itertools.count()
        self._bars: Bars | None = None
        self._bar = TaskID(0)
        if not monitor.quiet and shows_bars(monitor.stream):
            self._bars = _bars(monitor.stream)
            self._bar = self._bars.add_task(stage, total=images, said="")
            self._bars.start()
        if monitor.page.live:
            monitor.page.progress(self.key, 0.0, self.text())

    def advance(self, outcome: Outcome[Any, Any], *, images: int, rejected: int = 0, rows: int = 0) -> None:
        """Count one outcome of the drive."""
        self.done += images
        self.rejected += rejected
        self.rows += rows
        self.units += 1
        self.retried += outcome.retries > 0
        self._remember(outcome, rows)
        now = self.monitor.clock()
        if self._bars is not None:
            self._bars.update(self._bar, completed=self.done, said=self._figures())
        elif now - self._said >= LINE_EVERY and self.done < self.total:
            self._said = now
            self.monitor.say(f"{self.stage}: {self.text()}")
        if self.monitor.page.live and now - self._sent >= PAGE_EVERY:
            self._sent = now
            self.monitor.page.progress(self.key, self.percent, self.text())

    def close(self, *, whole: bool) -> None:
        """End the view: the last figures, and the table of units."""
        if self._bars is not None:
            self._bars.update(self._bar, completed=self.done, said=self._figures())
            self._bars.stop()
        else:
            self.monitor.say(f"{self.stage}: {self.text()}{'' if whole else ' (ended early)'}")
        self.monitor.page.progress(self.key, 100.0 if whole else self.percent, self.text())
        if self.units:
            shown = self.table()
            self.monitor.page.table(
                artifact_key(self.monitor.pipeline, self.stage, "units"),
                shown,
                f"{len(shown)} of {self.units:,} units of {self.stage}: isolated, then retried, then the slowest.",
            )

    @property
    def percent(self) -> float:
        """How far the stage is, from 0 to 100."""
        return 100.0 * min(self.done / self.total, 1.0) if self.total else 100.0

    @property
    def rate(self) -> float:
        """Images a second since the stage began."""
        return self.done / max(self.monitor.clock() - self.start, 1e-3)

    def text(self) -> str:
        """All in one line, the facts first."""
        return f"{self.done:,} of {self.total:,} images ({self.percent:.0f} %), {self._figures()}"

    def table(self) -> list[dict[str, Any]]:
        """The units that most want to be seen, in order."""
        return [row for _, _, row in sorted(self._worst, key=lambda entry: entry[:2], reverse=True)]

    def _figures(self) -> str:
        figures = [f"{self.rate:,.0f} images/s", f"{self.rejected:,} rejected"]
        left = self.total - self.done
        if left > 0 and self.done:
            figures.append(f"{_duration(left / self.rate)} left")
        else:
            figures.append(_duration(self.monitor.clock() - self.start))
        return ", ".join(figures)

    def _remember(self, outcome: Outcome[Any, Any], rows: int) -> None:
        alone = outcome.worker == "isolated"
        state = "isolated" if alone else "retried" if outcome.retries else "done"
        row = {
            "unit": outcome.name,
            "state": state,
            "seconds": round(outcome.seconds, 2),
            "retries": outcome.retries,
            "rows": rows,
        }
        entry = ((int(alone), outcome.retries, outcome.seconds), next(self._serial), row)
        if len(self._worst) < TABLE_ROWS:
            heapq.heappush(self._worst, entry)
        else:
            heapq.heappushpop(self._worst, entry)


def shows_bars(stream: TextIO) -> bool:
    """Whether the stream is a terminal that can go back in a line."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def artifact_key(*parts: str) -> str:
    """Lower case, digits, dashes: all that Prefect takes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def summary(counts: Mapping[str, Any]) -> str:
    """What came of a run, as Markdown: counts, rows of each output, rejections by reason, and where things are.

    ``counts`` has any of ``pipeline``, ``version``, ``sources``, ``kept``, ``rejected``, ``seconds``,
    ``images_per_second``, ``outputs`` (rows by output and split), ``reasons`` (images by reason), ``output``,
    ``report``, ``dashboard``, ``run_page``.
    """
    title = str(counts.get("pipeline", "run"))
    if counts.get("version") is not None:
        title += f", version {counts['version']}"
    parts = [f"# {_cell(title)}"]
    names = {"sources": "images", "kept": "kept", "rejected": "rejected", "seconds": "seconds"}
    figures = [(shown, counts[name]) for name, shown in names.items() if name in counts]
    if counts.get("images_per_second"):
        figures.append(("images a second", counts["images_per_second"]))
    if figures:
        parts.append(_markdown_table(("", ""), figures))
    if outputs := counts.get("outputs"):
        rows = [(output, split, rows) for output, splits in outputs.items() for split, rows in splits.items()]
        parts.append("## Rows\n\n" + _markdown_table(("output", "split", "rows"), rows))
    if reasons := counts.get("reasons"):
        most_first = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
        parts.append("## Rejected\n\n" + _markdown_table(("reason", "images"), most_first))
    places = {"output": "dataset", "report": "report", "dashboard": "dashboard", "run_page": "run page"}
    if where := [(shown, f"`{counts[name]}`") for name, shown in places.items() if counts.get(name)]:
        parts.append("## Where\n\n" + _markdown_table(("", ""), where))
    return "\n\n".join(parts) + "\n"


def _markdown_table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, tuple("---" if column == 0 else "--:" for column in range(len(head))), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{seconds:.0f} s"


def _bars(stream: TextIO) -> Bars:
    # NO_COLOR alone leaves rich's bold and dim: without a colour system it writes no style at all.
    colourless = bool(os.environ.get("NO_COLOR"))
    console = Console(
        file=stream,
        force_terminal=True,
        color_system=None if colourless else "auto",
        no_color=colourless,
        highlight=False,
    )
    return Bars(
        TextColumn("{task.description}", style="bold"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TextColumn("{task.fields[said]}", style="dim"),
        console=console,
        refresh_per_second=4,
        expand=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _prefect_setting(name: str) -> object:
    from prefect import settings

    return getattr(settings, name).value()
