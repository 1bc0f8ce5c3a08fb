"""Commits on a file system: created once, shown whole, held by one driver at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import ImagemillError, RequestError
from tasks.store.local import Store, sha256_of


def publish(store: Store, name: str, data: bytes) -> None:
    temporary = store.temporary()
    temporary.write_bytes(data)
    store.publish(temporary, name, sha256_of(temporary))


def version(store: Store, number: int, *names: str) -> dict[str, Any]:
    for name in names:
        publish(store, f"objects/{name}", name.encode())
    files = [{"path": name, "object": f"objects/{name}"} for name in names]
    return {"version": number, "files": files, "rejected": []}


def test_a_version_is_created_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "d")
    store.commit(version(store, 1))
    with pytest.raises(ImagemillError, match="another run"):
        store.commit(version(store, 1))
    assert store.latest() == store.version(1)


def test_views_show_the_version_and_nothing_of_the_one_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "d")
    store.show(version(store, 1, "data/a.parquet", "features/a.parquet"))
    store.show(version(store, 2, "data/b.parquet"))
    assert [p.name for p in (tmp_path / "d" / "data").iterdir()] == ["b.parquet"]
    assert not (tmp_path / "d" / "features").exists()
    assert (tmp_path / "d" / "data" / "b.parquet").stat().st_mode & 0o777 == 0o444


def test_publishing_the_same_twice_is_harmless_and_a_damaged_object_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path / "d")
    publish(store, "objects/data/a", b"right")
    publish(store, "objects/data/a", b"right")
    path = store.path("objects/data/a")
    path.chmod(0o644)
    path.write_bytes(b"wrong")
    publish(store, "objects/data/a", b"right")
    assert path.read_bytes() == b"right"
    assert list((tmp_path / "d" / ".imagemill" / "staging").iterdir()) == []


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("mine")
    for root in (tmp_path / "d", tmp_path / "d" / "below"):
        with pytest.raises(RequestError, match="name another --output"), Store(root).locked():
            pass
    assert (tmp_path / "d").read_text() == "mine"


def test_a_stray_name_among_the_versions_counts_for_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "d")
    store.commit(version(store, 1))
    for name in ("notes.txt", "00000002.json~", "2.json", "latest.json"):
        (tmp_path / "d" / ".imagemill" / "versions" / name).write_text("{}")
    assert store.versions() == [1]
    assert store.strays() == [f"versions/{name}" for name in ("00000002.json~", "2.json", "latest.json", "notes.txt")]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 7}', "\x00" * 40])
def test_a_damaged_version_file_is_named(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path / "d")
    path = tmp_path / "d" / ".imagemill" / "versions" / "00000001.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ImagemillError, match=r"00000001\.json: this version's file is damaged"):
        store.latest()


def test_a_version_of_another_format_asks_for_its_imagemill(tmp_path: Path) -> None:
    store = Store(tmp_path / "d")
    store.commit({**version(store, 1), "format": 99})
    with pytest.raises(RequestError, match="format 99"):
        store.latest()


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match="not empty"), Store(tmp_path).locked():
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_version_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    store = Store(tmp_path / "d")
    store.commit(version(store, 1))
    with pytest.raises(RequestError, match=r"no version 7; there are \[1\]"):
        store.version(7)


def _hold(root: Path, held: Any) -> None:
    with Store(root).locked():
        held.set()
        signal.pause()


def test_one_driver_holds_a_dataset_and_a_killed_one_does_not_block_the_next(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "d", held))
    other.start()
    try:
        assert held.wait(30)
        with pytest.raises(ImagemillError, match=f"process {other.pid}"), Store(tmp_path / "d").locked():
            pass
    finally:
        os.kill(other.pid or 0, signal.SIGKILL)
        other.join(30)
    with Store(tmp_path / "d").locked():
        pass
