"""Tar archives: every member is a source with its own bytes, and what is broken is said, never lost."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import Rejected, RequestError
from tasks.load.source import Source, SourceSpec, open_source
from tests.tasks.load.test_source import rows


def opened(path: Path, **options: Any) -> Source:
    return open_source(SourceSpec(path=str(path), **options))


def archive(path: Path, members: dict[str, bytes], **options: Any) -> Path:
    with tarfile.open(path, "w", **options) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def verdict(source: Source, uri: str, etag: str = "") -> Rejected:
    with pytest.raises(Rejected) as caught:
        source.read(uri, etag)
    return caught.value


def read_all(source: Source) -> dict[str, bytes | str]:
    """The listing's URIs with their bytes, or the reason why there are none."""
    found: dict[str, bytes | str] = {}
    for uri, row in rows(source).items():
        try:
            found[uri] = source.read(uri, row["etag"])
        except Rejected as rejected:
            found[uri] = rejected.reason
    return found


def test_members_are_sources_beside_files_with_the_labels_they_would_have_unpacked(tmp_path: Path) -> None:
    (tmp_path / "plain.jpg").write_bytes(b"plain")
    (tmp_path / "dog").mkdir()
    archive(tmp_path / "a.tar", {"x.jpg": b"x", "cat/y.jpg": b"yy", "./cat/z.jpg": b"", ".hidden/h": b"h"})
    archive(tmp_path / "dog" / "b.tar", {"cat/x.jpg": b"dog"})
    source = opened(tmp_path)
    assert {uri: row["label"] for uri, row in rows(source).items()} == {
        "plain.jpg": None,
        "a.tar!/x.jpg": None,
        "a.tar!/cat/y.jpg": "cat",
        "a.tar!/cat/z.jpg": "cat",
        "dog/b.tar!/cat/x.jpg": "dog",
    }
    assert {uri: row["size"] for uri, row in rows(source).items()}["a.tar!/cat/y.jpg"] == 2
    assert read_all(source) == {
        "plain.jpg": b"plain",
        "a.tar!/x.jpg": b"x",
        "a.tar!/cat/y.jpg": b"yy",
        "a.tar!/cat/z.jpg": b"",
        "dog/b.tar!/cat/x.jpg": b"dog",
    }


@pytest.mark.parametrize("path", ["one.tar", "*.tar", "o*"])
def test_one_archive_or_a_pattern_is_a_source(path: str, tmp_path: Path) -> None:
    archive(tmp_path / "one.tar", {"x": b"1"})
    (tmp_path / "else.jpg").write_bytes(b"")
    assert read_all(opened(tmp_path / path)) == {"one.tar!/x": b"1"}


NAMES = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=150).filter(
    lambda name: not any(part.startswith(".") for part in name.split("/")) and name.strip("/") == name
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(members=st.dictionaries(NAMES, st.binary(max_size=2000), max_size=6), pax=st.booleans())
def test_any_archive_is_read_back(members: dict[str, bytes], pax: bool, tmp_path_factory: Any) -> None:
    root: Path = tmp_path_factory.mktemp("tar")
    archive(root / "a.tar", members, format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT)
    source = opened(root)
    found = read_all(source)
    assert sorted(found.values(), key=str) == sorted(members.values(), key=str)
    assert {uri: source.read(uri) for uri in found} == found, "without its place a member is found by its name"


def test_links_devices_and_names_that_lead_out_are_rejected_and_never_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name in ("/etc/passwd", "../up", "cat/../../up"):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
        info = tarfile.TarInfo("folder")
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
        info = tarfile.TarInfo("good")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"good"))
    assert {row["label"] for row in rows(opened(tmp_path)).values()} == {None, "cat"}
    found = read_all(opened(tmp_path))
    assert found.pop("a.tar!/good") == b"good"
    assert len(found) == 6 and set(found.values()) == {"unreadable"}
    assert "a link, which is not followed" in verdict(opened(tmp_path), "a.tar!/link").message
    assert "leads out of the archive" in verdict(opened(tmp_path), "a.tar!/../up").message


@pytest.mark.parametrize(
    ("cut", "kept", "reason", "message"),
    [
        (512 * 4 + 100, 2, "truncated", "ends early"),  # within the third header
        (512 * 4, 2, "truncated", "without an end mark; the 2 members before"),  # between two members
        (512 * 5 + 100, 2, "truncated", "ends within 'c'"),
    ],
)
def test_a_cut_archive_lists_what_is_whole_and_itself(
    cut: int, kept: int, reason: str, message: str, tmp_path: Path
) -> None:
    path = archive(tmp_path / "a.tar", {"a": b"1" * 300, "b": b"2" * 300, "c": b"3" * 300})
    path.write_bytes(path.read_bytes()[:cut])
    source = opened(tmp_path)
    found = read_all(source)
    assert found.pop("a.tar") == reason
    assert list(found) == ["a.tar!/a", "a.tar!/b", "a.tar!/c"][:kept]
    assert message in verdict(source, "a.tar").message


def test_a_damaged_header_is_said_with_its_place(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", {"a": b"1" * 300, "b": b"2" * 300})
    data = bytearray(path.read_bytes())
    data[1024 + 10] ^= 0xFF
    path.write_bytes(data)
    source = opened(tmp_path)
    assert read_all(source) == {"a.tar!/a": b"1" * 300, "a.tar": "corrupt"}
    assert "at byte 1024" in verdict(source, "a.tar").message


def test_what_is_no_archive_is_a_file_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"no archive")
    (tmp_path / "empty.tar").write_bytes(b"")
    (tmp_path / "b.tar.gz").write_bytes(b"\x1f\x8b")
    assert read_all(opened(tmp_path)) == {"a.tar": b"no archive", "empty.tar": b"", "b.tar.gz": b"\x1f\x8b"}


def test_a_member_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    archive(tmp_path / "a.tar", {"a": b"1" * 300})
    source = opened(tmp_path, limits={"bytes": 100})
    assert read_all(source) == {"a.tar!/a": "too_many_bytes"}
    assert verdict(source, "a.tar!/a").message == "a.tar!/a: 300 bytes are more than the limit of 100"


def test_an_archive_that_changed_since_it_was_listed_is_no_verdict(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", {"a": b"1", "b": b"2"})
    listed = rows(opened(tmp_path))
    archive(path, {"b": b"other", "a": b"1"})
    os.utime(path, ns=(1, 1))
    source = opened(tmp_path)
    with pytest.raises(OSError, match="changed while it was read"):
        source.read("a.tar!/a", listed["a.tar!/a"]["etag"])
    assert source.read("a.tar!/b", rows(source)["a.tar!/b"]["etag"]) == b"other"


def test_a_member_that_is_not_there_is_missing(tmp_path: Path) -> None:
    archive(tmp_path / "a.tar", {"a": b"1"})
    assert verdict(opened(tmp_path), "a.tar!/b").reason == "missing"


def test_a_compressed_webdataset_is_a_wrong_request(tmp_path: Path) -> None:
    archive(tmp_path / "a.tar.gz", {"a.jpg": b"1"})
    with pytest.raises(RequestError, match="compressed archive"):
        rows(opened(tmp_path, format="webdataset"))
