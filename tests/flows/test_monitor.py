"""What the terminal and the run page are shown. The clock is the test's own."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from flows.drive import Outcome
from flows.monitor import TABLE_ROWS, Monitor
from flows.run_page import RunPage, artifact_key, summary

ROOT = Path(__file__).parents[2]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Notebook:
    """A page that keeps what it is shown."""

    live = True

    def __init__(self) -> None:
        self.bars: list[tuple[str, float, str]] = []
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.texts: dict[str, str] = {}

    def progress(self, key: str, percent: float, text: str) -> None:
        self.bars.append((key, percent, text))

    def table(self, key: str, rows: list[dict[str, Any]], text: str) -> None:
        self.tables[key] = rows

    def markdown(self, key: str, text: str) -> None:
        self.texts[key] = text

    def link(self, key: str, url: str, text: str) -> None:
        self.texts[key] = url


def outcome(number: int, seconds: float = 1.0, retries: int = 0, worker: str = "tcp://127.0.0.1:1") -> Any:
    return Outcome(number, None, seconds, retries, worker, f"make-{number:05d}")


def test_without_a_terminal_a_line_comes_every_ten_seconds_and_one_at_the_end() -> None:
    clock, stream = Clock(), io.StringIO()
    monitor = Monitor("xray", page=Notebook(), stream=stream, clock=clock)
    with monitor.stage("make", 400) as progress:
        for number in range(40):
            clock.now += 0.5
            progress.advance(outcome(number), images=10, rejected=number % 10 == 0, rows=10)
    assert stream.getvalue().splitlines() == [
        "make: 200 of 400 images (50 %), 20 images/s, 2 rejected, 10 s left",
        "make: 400 of 400 images (100 %), 20 images/s, 4 rejected, 20 s",
    ]


def test_quiet_says_nothing_but_keeps_the_page() -> None:
    stream, page = io.StringIO(), Notebook()
    monitor = Monitor("xray", quiet=True, page=page, stream=stream)
    monitor.discovered(10, "results/xray")
    monitor.connected("http://127.0.0.1:1/status")
    with monitor.stage("make", 10) as progress:
        progress.advance(outcome(1), images=10)
    assert stream.getvalue() == ""
    assert page.bars[-1][:2] == ("xray-make", 100.0)
    assert page.texts == {"xray-dashboard": "http://127.0.0.1:1/status"}


def test_the_page_is_updated_once_a_second_at_most() -> None:
    clock, page = Clock(), Notebook()
    with Monitor("xray", quiet=True, page=page, clock=clock).stage("make", 1000) as progress:
        for number in range(1000):
            clock.now += 0.01
            progress.advance(outcome(number), images=1)
    assert 10 <= len(page.bars) <= 12
    assert page.bars[5][2] == "500 of 1,000 images (50 %), 100 images/s, 0 rejected, 5 s left"


def test_a_page_that_nobody_can_watch_gets_the_end_only() -> None:
    clock, page = Clock(), Notebook()
    page.live = False
    with Monitor("xray", quiet=True, page=page, clock=clock).stage("make", 100) as progress:
        for number in range(100):
            clock.now += 1
            progress.advance(outcome(number), images=1)
    assert [bar[1] for bar in page.bars] == [100.0]


def test_the_table_holds_the_isolated_the_retried_and_the_slowest_first() -> None:
    page = Notebook()
    with Monitor("xray", quiet=True, page=page).stage("make again", 1000) as progress:
        for number in range(1000):
            progress.advance(outcome(number, seconds=number / 1000), images=1, rows=3)
        progress.advance(outcome(1000, seconds=0.0, retries=4, worker="isolated"), images=1)
        progress.advance(outcome(1001, seconds=0.0, retries=1), images=1)
    rows = page.tables["xray-make-again-units"]
    assert len(rows) == TABLE_ROWS
    assert [(row["unit"], row["state"]) for row in rows[:4]] == [
        ("make-01000", "isolated"),
        ("make-01001", "retried"),
        ("make-00999", "done"),
        ("make-00998", "done"),
    ]
    assert rows[2] == {"unit": "make-00999", "state": "done", "seconds": 1.0, "retries": 0, "rows": 3}


def test_a_stage_that_fails_is_shown_as_far_as_it_came() -> None:
    stream, page = io.StringIO(), Notebook()
    monitor = Monitor("xray", page=page, stream=stream)

    def fail() -> None:
        with monitor.stage("make", 10) as progress:
            progress.advance(outcome(1), images=5)
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        fail()
    assert page.bars[-1][1] == 50.0
    assert stream.getvalue().endswith("(ended early)\n")


def test_an_empty_stage_is_whole() -> None:
    page = Notebook()
    with Monitor("xray", quiet=True, page=page).stage("seal", 0):
        pass
    assert page.bars[-1][1] == 100.0
    assert page.tables == {}


@pytest.mark.parametrize(
    ("parts", "key"),
    [(("X-Ray_2", "make again"), "x-ray-2-make-again"), (("détection", "units"), "d-tection-units")],
)
def test_keys_are_what_prefect_takes(parts: tuple[str, ...], key: str) -> None:
    assert artifact_key(*parts) == key


def test_the_summary_says_what_why_and_where() -> None:
    text = summary(
        {
            "pipeline": "xray",
            "version": 3,
            "sources": 12_000,
            "kept": 11_990,
            "rejected": 10,
            "outputs": {"images": {"train": 9_000, "test": 2_990}},
            "reasons": {"blurry": 2, "truncated": 8},
            "images_per_second": 512.34,
            "output": "/data/a|b",
            "report": None,
        }
    )
    assert text.startswith("# xray, version 3\n")
    assert "| images | 12,000 |" in text
    assert "| images a second | 512.3 |" in text
    assert "| images | train | 9,000 |" in text
    assert text.index("| truncated | 8 |") < text.index("| blurry | 2 |")
    assert "| dataset | `/data/a\\|b` |" in text
    assert "report" not in text


def test_the_summary_shows_files_classes_and_a_strip_of_pictures_for_each_reason() -> None:
    text = summary(
        {
            "outputs": {"images": {"train": 9}},
            "files": [{"output": "images", "split": "train", "bytes": 2_000_000, "rows": 9}],
            "classes": ["cat", "dog"],
            "reasons": {"blurry": 2, "truncated": 8},
            "strips": {"blurry": "data:image/webp;base64,AAAA"},
        }
    )
    assert "| classes | 2 |" in text
    assert "| images | train | 9 | 1 | 2,000 kB |" in text
    assert "| blurry | 2 | ![rejected as blurry](data:image/webp;base64,AAAA) |" in text
    assert "| truncated | 8 |  |" in text


def test_the_summary_goes_to_the_page_too() -> None:
    page = Notebook()
    text = Monitor("xray", quiet=True, page=page).summary({"pipeline": "xray"})
    assert page.texts == {"xray-summary": text}


def test_outside_a_flow_run_the_run_page_takes_nothing_and_starts_no_server() -> None:
    code = """
        import sys
        from flows.monitor import Monitor
        from flows.run_page import RunPage
        monitor = Monitor("xray", quiet=True)
        with monitor.stage("make", 1):
            pass
        monitor.summary({})
        assert monitor.run_page is None and not RunPage().live
        import psutil
        assert not psutil.Process().children()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, check=True)


def on_a_terminal(**environment: str) -> str:
    """What a terminal gets while a stage runs."""
    code = """
        from flows.drive import Outcome
        from flows.monitor import Monitor
        with Monitor("xray").stage("make", 20) as progress:
            for number in range(2):
                progress.advance(Outcome(number, None, 1.0, 0, "w"), images=10, rejected=1)
    """
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env={**clean, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
        stderr=theirs,
        stdout=subprocess.PIPE,
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65_536):
                shown += chunk
        except OSError:
            pass  # Linux says so when the other end is closed
        assert process.communicate()[0] == b""
    os.close(ours)
    return shown.decode()


STYLES = re.compile(r"\x1b\[[0-9;]*m")


def test_a_terminal_gets_a_bar_in_colour() -> None:
    shown = on_a_terminal()
    assert "20/20" in shown
    assert "2 rejected" in shown
    assert STYLES.search(shown)


def test_no_color_leaves_no_style_at_all() -> None:
    shown = on_a_terminal(NO_COLOR="1")
    assert "20/20" in shown
    assert not STYLES.search(shown)


def test_a_dumb_terminal_gets_lines() -> None:
    shown = on_a_terminal(TERM="dumb")
    assert "make: 20 of 20 images (100 %)" in shown
    assert "\x1b" not in shown


def test_a_run_page_that_refuses_does_not_end_the_run(caplog: pytest.LogCaptureFixture) -> None:
    page = RunPage()

    def refuse() -> None:
        raise RuntimeError("database is locked")

    page._is_in_run = lambda: True  # type: ignore[method-assign]
    assert page._try(refuse) is None
    assert "database is locked" in caplog.text
