"""A watched source: what is new starts one run, once it has settled."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.watch import Watch, digest
from tasks.errors import RequestError
from tasks.load.source import SourceSpec
from tasks.pipeline.models import WatchSpec


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(tmp_path: Path, clock: Clock) -> Watch:
    return Watch(SourceSpec(path=str(tmp_path)), WatchSpec(every=30, settle=10), clock)


def test_a_new_file_starts_a_run_once_nothing_has_changed_for_as_long_as_it_should(
    watch: Watch, clock: Clock, tmp_path: Path
) -> None:
    assert not watch.look()
    (tmp_path / "a.jpg").write_bytes(b"half")
    assert not watch.look()
    clock.now += 9
    (tmp_path / "a.jpg").write_bytes(b"the whole")
    assert not watch.look()
    clock.now += 9
    assert not watch.look()
    clock.now += 1
    assert watch.look()
    watch.started()
    clock.now += 100
    assert not watch.look()


def test_a_run_that_could_not_be_started_is_asked_for_again(watch: Watch, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    watch.look()
    clock.now += 10
    assert watch.look()
    assert watch.look()


def test_what_lies_there_at_the_start_is_new_and_nothing_is_not(watch: Watch, clock: Clock, tmp_path: Path) -> None:
    watch.look()
    clock.now += 1000
    assert not watch.look()
    (tmp_path / "a.jpg").write_bytes(b"x")
    other = Watch(watch.source, watch.spec, clock)
    other.look()
    clock.now += 10
    assert other.look()


def test_it_waits_for_the_period_and_less_while_the_source_settles(watch: Watch, clock: Clock, tmp_path: Path) -> None:
    watch.look()
    assert watch.wait == 30
    (tmp_path / "a.jpg").write_bytes(b"x")
    watch.look()
    clock.now += 4
    assert watch.wait == 6


def test_the_digest_tells_names_sizes_and_times_and_no_order(tmp_path: Path) -> None:
    source = SourceSpec(path=str(tmp_path))
    for name in ("b.jpg", "a.jpg"):
        (tmp_path / name).write_bytes(b"x")
    first = digest(source)
    (tmp_path / "a.jpg").rename(tmp_path / "c.jpg")
    renamed = digest(source)
    (tmp_path / "c.jpg").rename(tmp_path / "a.jpg")
    assert digest(source) == first != renamed
    (tmp_path / "a.jpg").write_bytes(b"xy")
    assert digest(source) not in (first, renamed)


def test_a_source_that_is_gone_is_no_change(watch: Watch, tmp_path: Path) -> None:
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    with pytest.raises(RequestError):
        watch.look()
