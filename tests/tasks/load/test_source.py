"""Folders and globs on a real disk: every file is listed once, and its URI reads its bytes."""

import os
import pickle
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import Rejected, RequestError
from tasks.load.header import Limits
from tasks.load.listing import LISTING, key
from tasks.load.local import LocalFiles
from tasks.load.source import Source, SourceLimits, SourceSpec, open_source


def opened(path: Path | str, **options: Any) -> Source:
    return open_source(SourceSpec(path=str(path), **options))


def rows(source: Source, batch_rows: int = 8192) -> dict[str, dict[str, Any]]:
    """The listing by URI, with what every listing promises checked."""
    found: dict[str, dict[str, Any]] = {}
    for batch in source.listing(batch_rows):
        batch.validate(full=True)
        assert batch.schema == pa.schema([*LISTING, *source.columns])
        assert 0 < batch.num_rows <= batch_rows
        for row in batch.to_pylist():
            assert row["key"] == key(row["uri"])
            assert row["uri"] not in found
            found[row["uri"]] = row
    return found


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def reason(read: Callable[[str], bytes], uri: str) -> str:
    with pytest.raises(Rejected) as caught:
        read(uri)
    return caught.value.reason


# -- folders --


def test_every_file_is_a_source_whatever_its_extension(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "notes.txt", "cat/b.PNG", "cat/deep/c", "annotations.json", "x.tar")
    assert set(rows(opened(tmp_path))) == {"a.jpg", "notes.txt", "cat/b.PNG", "cat/deep/c", "annotations.json", "x.tar"}


def test_hidden_files_and_folders_are_not_sources(tmp_path: Path) -> None:
    write(tmp_path, ".hidden/set/a.jpg", ".hidden/set/.DS_Store", ".hidden/set/.cache/b.jpg")
    assert set(rows(opened(tmp_path / ".hidden/set"))) == {"a.jpg"}


def test_the_label_is_the_first_folder(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "cat/b.jpg", "dog/deep/c.jpg")
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    (tmp_path / os.fsdecode(b"\xff/d")).write_bytes(b"")
    labels = {uri: row["label"] for uri, row in rows(opened(tmp_path)).items()}
    assert labels == {"a.jpg": None, "cat/b.jpg": "cat", "dog/deep/c.jpg": "dog", "%FF/d": "%FF"}
    assert {row["label"] for row in rows(opened(tmp_path, labels="none")).values()} == {None}


def test_size_and_time_of_change_are_listed(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg")
    os.utime(tmp_path / "a.jpg", ns=(5, 1_700_000_000_123_456_789))
    row = rows(opened(tmp_path))["a.jpg"]
    assert (row["size"], row["etag"], row["annotations"]) == (5, "1700000000123456789", None)


def test_batches_have_the_asked_size(tmp_path: Path) -> None:
    write(tmp_path, *(f"{i % 3}/{i}" for i in range(10)))
    assert [batch.num_rows for batch in opened(tmp_path).listing(4)] == [4, 4, 2]


def test_an_empty_folder_lists_nothing(tmp_path: Path) -> None:
    assert list(opened(tmp_path).listing()) == []


PART = st.binary(min_size=1, max_size=6).filter(lambda name: name not in (b".", b"..") and not {0, 47} & set(name))
MARKED = st.sampled_from(
    [b"%FF", b"\xff", b"%25", b"a!", b"x:", b" ", b"#?", b"\n", b"e\xcc\x81", b"\xc3\xa9", b"\\", b"*"]
)
TREES = st.dictionaries(
    st.lists(st.one_of(MARKED, PART), min_size=1, max_size=4).map(tuple), st.binary(max_size=20), max_size=8
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(tree=TREES)
def test_any_tree_is_listed_once_and_read_back(tree: dict[tuple[bytes, ...], bytes], tmp_path_factory: Any) -> None:
    root: Path = tmp_path_factory.mktemp("tree")
    written = {}
    for parts, data in tree.items():
        path = root.joinpath(*map(os.fsdecode, parts))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(data)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
        if not any(part.startswith(b".") for part in parts):
            written[b"/".join(parts)] = data
    source = opened(root)
    found = rows(source, 3)
    assert sorted(source.read(uri) for uri in found) == sorted(written.values())
    assert len({row["key"] for row in found.values()}) == len(written)


@pytest.mark.parametrize(
    "name", ["a b.jpg", "#1.jpg", "what?.jpg", "100%.jpg", "a%20b.jpg", "a%FF.jpg", "é", "e\u0301", "a\nb", "[1]*.jpg"]
)
def test_odd_names_are_read(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    source = opened(tmp_path)
    (uri,) = rows(source)
    assert source.read(uri) == name.encode()


# -- links and special files --


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    write(tmp_path, "real/a.jpg")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/b.jpg").symlink_to(tmp_path / "real/a.jpg")
    source = opened(tmp_path / "set")
    assert rows(source)["b.jpg"]["size"] == len("real/a.jpg")
    assert source.read("b.jpg") == b"real/a.jpg"


def test_a_link_to_a_folder_is_listed_but_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    source = opened(tmp_path)
    assert rows(source)["loop"]["size"] == -1
    assert set(rows(source)) == {"a.jpg", "loop"}
    with pytest.raises(Rejected, match="a link to a folder, which is not followed"):
        source.read("loop")


def test_the_source_itself_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path, "real/a.jpg")
    (tmp_path / "set").symlink_to(tmp_path / "real")
    source = opened(tmp_path / "set")
    assert source.root == str(tmp_path / "set")
    assert source.read("a.jpg") == b"real/a.jpg"


def test_dangling_and_circular_links_are_listed_and_rejected(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    source = opened(tmp_path)
    assert {uri: row["size"] for uri, row in rows(source).items()} == {"gone": -1, "circle": -1}
    assert reason(source.read, "gone") == "missing"
    assert reason(source.read, "circle") == "unreadable"


def test_special_files_are_rejected_and_never_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    (tmp_path / "device").symlink_to("/dev/zero")
    source = opened(tmp_path)
    assert set(rows(source)) == {"pipe", "socket", "device"}
    for uri in ("pipe", "socket", "device"):
        assert reason(source.read, uri) == "unreadable"


# -- reading --


def test_what_vanished_since_it_was_listed_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "cat/b.jpg")
    source = opened(tmp_path)
    for uri in ("c.jpg", "a.jpg/x", "x\0y", "n" * 300):
        assert reason(source.read, uri) == "missing"
    assert reason(source.read, "cat") == "unreadable"


def test_a_lost_mount_is_an_error_and_no_verdict(tmp_path: Path) -> None:
    write(tmp_path, "set/a.jpg")
    source = opened(tmp_path / "set")
    (tmp_path / "set/a.jpg").unlink()
    with pytest.raises(OSError, match="is it mounted"):
        source.read("a.jpg")
    (tmp_path / "set").rmdir()
    with pytest.raises(OSError, match="is it mounted"):
        source.read("a.jpg")


def test_a_file_beyond_the_limit_is_rejected_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    write(tmp_path, "five!")
    assert reason(opened(tmp_path).read, "huge") == "too_many_bytes"
    assert opened(tmp_path, limits={"bytes": 5}).read("five!") == b"five!"
    with pytest.raises(Rejected) as caught:
        opened(tmp_path, limits={"bytes": 4}).read("five!")
    assert (caught.value.measure, caught.value.limit) == (5, 4)


def test_a_file_that_is_longer_than_it_says_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "grows").symlink_to("/proc/self/environ")
    assert opened(tmp_path).read("grows") == Path("/proc/self/environ").read_bytes()
    assert reason(opened(tmp_path, limits={"bytes": 3}).read, "grows") == "too_many_bytes"


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder of a user to whom permissions apply: root reads everything."""
    with tempfile.TemporaryDirectory() as folder:
        nobody = 65534 if os.geteuid() == 0 else os.geteuid()
        os.chown(folder, nobody, -1)
        before = os.geteuid()
        os.seteuid(nobody)
        yield Path(folder)
        os.seteuid(before)


def test_what_may_not_be_read_is_rejected_and_what_may_not_be_listed_an_error(as_nobody: Path) -> None:
    write(as_nobody, "a.jpg", "cat/b.jpg")
    (as_nobody / "a.jpg").chmod(0)
    assert reason(opened(as_nobody).read, "a.jpg") == "unreadable"
    (as_nobody / "cat").chmod(0)
    with pytest.raises(RequestError, match=r"cat: the folder may not be listed"):
        rows(opened(as_nobody))
    with pytest.raises(RequestError, match=r"cat: the permission to read it is missing"):
        opened(as_nobody / "cat")
    (as_nobody / "cat").chmod(0o700)


def test_a_source_is_made_again_on_another_machine_from_its_pickled_spec(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg")
    spec = SourceSpec(path=str(tmp_path), limits=SourceLimits(bytes=9), storage_options={"secret": "hush"})
    assert open_source(pickle.loads(pickle.dumps(spec))).read("a.jpg") == b"a.jpg"
    assert "hush" not in repr(spec)
    assert "pw" not in repr(SourceSpec(path="ftp://me:pw@host/x"))


def test_limits_replace_the_decoders_own_where_given() -> None:
    assert SourceLimits(frames=3).limits() == Limits(frames=3)
    assert SourceLimits().limits() == Limits()


# -- globs --


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", {"a.jpg"}),
        ("**/*.jpg", {"a.jpg", "cat/b.jpg", "cat/deep/c.jpg"}),
        ("*/*.jpg", {"cat/b.jpg"}),
        ("**", {"a.jpg", "n.txt", "cat/b.jpg", "cat/deep/c.jpg"}),
        ("?.[jt]*", {"a.jpg", "n.txt"}),
        ("cat/*.jpg", {"b.jpg"}),
        ("c*/deep/*", {"cat/deep/c.jpg"}),
        ("*.gif", set()),
        ("**/.cache/*", {".cache/d.jpg"}),
    ],
)
def test_a_glob_lists_what_it_matches(tmp_path: Path, pattern: str, expected: set[str]) -> None:
    write(tmp_path, "a.jpg", "n.txt", "cat/b.jpg", "cat/deep/c.jpg", ".cache/d.jpg", ".e.jpg")
    source = opened(tmp_path / pattern)
    found = rows(source)
    assert set(found) == expected
    for uri in found:
        assert source.read(uri).decode().endswith(uri)


def test_the_root_of_a_glob_is_the_folder_before_the_first_wildcard(tmp_path: Path) -> None:
    write(tmp_path, "set/cat/b.jpg")
    source = opened(tmp_path / "set" / "*" / "b*")
    assert source.root == str(tmp_path / "set")
    assert rows(source)["cat/b.jpg"]["label"] == "cat"


def test_a_folder_whose_name_looks_like_a_glob_is_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "set[1]/a.jpg")
    assert set(rows(opened(tmp_path / "set[1]"))) == {"a.jpg"}


# -- requests that are wrong --


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("nowhere", {}, "there is nothing here; check the path, and that it is mounted"),
        ("nowhere/*.jpg", {}, "there is nothing here"),
        ("nowhere.csv", {}, "there is nothing here"),
        ("a.jpg", {}, "this is one file; a source is a folder, a glob"),
        ("a.jpg", {"format": "csv"}, "no column 'uri'"),
        (".", {"format": "csv"}, "a folder, where a file is expected"),
        (".", {"format": "glob"}, "needs a wildcard"),
        ("**x/*", {}, "entire path component"),
        (".", {"format": "folder", "annotations": "a.json"}, "annotations belong to format: coco"),
        ("x.csv", {"annotations": "a.json"}, "annotations belong to format: coco"),
    ],
)
def test_a_wrong_request_says_what_to_do(tmp_path: Path, path: str, options: dict[str, Any], message: str) -> None:
    write(tmp_path, "a.jpg")
    with pytest.raises(RequestError, match=message) as caught:
        opened(tmp_path / path, **options)
    assert caught.value.exit_code == 2
    assert path.partition("/")[0].rstrip("*.") in str(caught.value)


def test_an_unknown_protocol_and_a_missing_driver_say_what_to_install() -> None:
    with pytest.raises(RequestError, match="nope:// is no protocol that fsspec knows"):
        opened("nope://bucket/x")
    with pytest.raises(RequestError, match="gs:// is not installed; install it: pip install 'imagemill\\[gcs\\]'"):
        opened("gs://bucket/x")


# -- speed --


def test_listing_and_reading_are_quick(tmp_path: Path) -> None:
    """100,000 files within 2 s, and a read of a small file within 30 us on an idle machine; here with slack."""
    for folder in range(10):
        (tmp_path / str(folder)).mkdir()
        for i in range(1000):
            (tmp_path / f"{folder}/{i:05}.jpg").write_bytes(b"x" * 100)
    source = opened(tmp_path)
    start = time.perf_counter()
    assert sum(batch.num_rows for batch in source.listing()) == 10_000
    assert time.perf_counter() - start < 1.0
    start = time.perf_counter()
    for i in range(1000):
        source.read(f"3/{i:05}.jpg")
    assert time.perf_counter() - start < 0.3


def test_a_walk_below_a_folder_enters_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/b/one.xml", "a/b/c/two.xml", "a/bc/three.xml", "d/four.xml", "five.xml")
    scanned, scan = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (scanned.append(os.path.relpath(path, tmp_path)), scan(path))[1])
    found = {name for name, _, _ in LocalFiles(str(tmp_path)).walk(below="a/b/")}
    assert {"a/b/one.xml", "a/b/c/two.xml"} <= found and "d/four.xml" not in found
    assert scanned == [".", "a", "a/b", "a/b/c"]
