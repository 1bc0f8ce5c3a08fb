"""What the terminal and the run page show while a run goes on: one view of each, fed from the drive's outcomes."""

from __future__ import annotations

import heapq
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from flows.run_page import RunPage, artifact_key, summary

if TYPE_CHECKING:
    from flows.drive import Outcome

LINE_EVERY = 10.0  # seconds between two lines where no terminal shows a bar
PAGE_EVERY = 1.0  # seconds between two updates of the run page: each is a request
TABLE_ROWS = 200  # of units on the run page, which shows a table whole


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

    def link(self, key: str, url: str, text: str) -> None:
        """Show where something is."""


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
            self.page.link(
                artifact_key(self.pipeline, "dashboard"), dashboard, "Dask's dashboard, while the run goes on"
            )
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
