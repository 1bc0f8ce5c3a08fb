"""Sources behind fsspec: memory, http, and a real S3 endpoint over HTTP."""

import http.server
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tasks.errors import ImagemillError, Rejected, RequestError
from tasks.load.source import Source, SourceSpec, open_source

NAMES = ["a b.jpg", "cat/b%FF.jpg", "cat/deep/c#?.jpg", "é/d.jpg", "empty", "x!/y.jpg", "dog//e.jpg", "z:/f"]


def opened(path: str, **options: Any) -> Source:
    return open_source(SourceSpec(path=path, **options))


def rows(source: Source) -> dict[str, dict[str, Any]]:
    found = [row for batch in source.listing(3) for row in batch.to_pylist()]
    assert len({row["uri"] for row in found}) == len(found)
    return {row["uri"]: row for row in found}


# -- s3 --


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:60].strip("-")
    s3.create_bucket(Bucket=name)
    return name


def put(s3: Any, bucket: str, *names: str, root: str = "set/") -> None:
    for name in names:
        s3.put_object(Bucket=bucket, Key=root + name, Body=b"" if name == "empty" else name.encode())


def test_s3_objects_are_listed_and_read(s3: Any, bucket: str) -> None:
    put(s3, bucket, *NAMES, ".hidden", "cat/.hidden/x", "folder/")
    put(s3, bucket, "other.jpg", root="set2/")
    source = opened(f"s3://{bucket}/set/")
    found = rows(source)
    assert source.root == f"s3://{bucket}/set"
    assert len(found) == len(NAMES)
    assert {source.read(uri).decode() for uri in found} == {"" if name == "empty" else name for name in NAMES}
    assert found["cat/b%25FF.jpg"]["label"] == "cat"
    head = s3.head_object(Bucket=bucket, Key="set/a b.jpg")
    assert (found["a b.jpg"]["size"], found["a b.jpg"]["etag"]) == (7, head["ETag"].strip('"'))


def test_a_changed_s3_object_has_another_etag_in_the_next_listing(s3: Any, bucket: str) -> None:
    put(s3, bucket, "a.jpg")
    source = opened(f"s3://{bucket}/set")
    before = rows(source)
    s3.put_object(Bucket=bucket, Key="set/a.jpg", Body=b"a.jpG")
    put(s3, bucket, "b.jpg")
    after = rows(source)
    assert before["a.jpg"]["etag"] != after["a.jpg"]["etag"]
    assert set(after) == {"a.jpg", "b.jpg"}


def test_a_whole_bucket_and_a_glob_are_sources(s3: Any, bucket: str) -> None:
    put(s3, bucket, "a.jpg", "b.png", "cat/c.jpg")
    assert set(rows(opened(f"s3://{bucket}"))) == {"set/a.jpg", "set/b.png", "set/cat/c.jpg"}
    source = opened(f"s3://{bucket}/set/**/*.jpg")
    assert (source.root, set(rows(source))) == (f"s3://{bucket}/set", {"a.jpg", "cat/c.jpg"})
    assert set(rows(opened(f"s3://{bucket}/set/*.jpg"))) == {"a.jpg"}


def test_s3_listing_goes_page_by_page(s3: Any, bucket: str) -> None:
    put(s3, bucket, *map(str, range(7)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.load.remote._PAGE", 3)
        assert len(rows(opened(f"s3://{bucket}/set"))) == 7


def test_a_manifest_on_s3_gets_sizes_by_one_listing(s3: Any, bucket: str, tmp_path: Path) -> None:
    put(s3, bucket, "img/a.jpg", "img/b.jpg", "far.jpg", "img/.hidden.jpg")
    text = f"uri,label\nimg/a.jpg,cat\ns3://{bucket}/set/img/b.jpg,dog\nimg/gone.jpg,\nimg/.hidden.jpg,\n"
    s3.put_object(Bucket=bucket, Key="set/m.csv", Body=text.encode())
    source = opened(f"s3://{bucket}/set/m.csv")
    found = rows(source)
    assert {uri: row["size"] for uri, row in found.items()} == {
        "img/a.jpg": 9,
        "img/b.jpg": 9,
        "img/gone.jpg": -1,
        "img/.hidden.jpg": 15,
    }
    assert len(found["img/a.jpg"]["etag"]) == 32
    assert source.read("img/b.jpg") == b"img/b.jpg"
    (tmp_path / "m.csv").write_text(f"uri\ns3://{bucket}/set/img/a.jpg\n")
    local = opened(str(tmp_path / "m.csv"), storage_options={"use_ssl": False})
    (uri,) = rows(local)
    assert (uri, local.read(uri)) == (f"s3://{bucket}/set/img/a.jpg", b"img/a.jpg")


def test_coco_on_s3_is_read(s3: Any, bucket: str) -> None:
    put(s3, bucket, "images/a.jpg", "images/more.jpg")
    images = '{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}'
    text = f'{{"images": [{images}], "annotations": [], "categories": []}}'
    s3.put_object(Bucket=bucket, Key="set/annotations.json", Body=text.encode())
    found = rows(opened(f"s3://{bucket}/set", annotations="annotations.json"))
    assert {uri: row["size"] for uri, row in found.items()} == {
        "images/a.jpg": 12,
        "images/more.jpg": 15,
        "images/b.jpg": -1,
    }


def test_verdicts_on_s3_objects(s3: Any, bucket: str) -> None:
    put(s3, bucket, "a.jpg")
    source = opened(f"s3://{bucket}/set", limits={"bytes": 4})
    for uri, reason in (("gone.jpg", "missing"), ("a.jpg", "too_many_bytes")):
        with pytest.raises(Rejected) as caught:
            source.read(uri)
        assert caught.value.reason == reason
    assert opened(f"s3://{bucket}/set", limits={"bytes": 5}).read("a.jpg") == b"a.jpg"


def test_a_bucket_that_is_gone_is_an_error_and_no_verdict(s3: Any, bucket: str) -> None:
    put(s3, bucket, "a.jpg")
    source = opened(f"s3://{bucket}/set")
    s3.delete_object(Bucket=bucket, Key="set/a.jpg")
    s3.delete_bucket(Bucket=bucket)
    with pytest.raises(OSError, match="bucket"):
        source.read("a.jpg")
    with pytest.raises(OSError, match="bucket"):
        rows(source)


def test_an_endpoint_that_does_not_answer_is_an_os_error(s3: Any, bucket: str, tmp_path: Path) -> None:
    put(s3, bucket, "a.jpg")
    options = {
        "endpoint_url": "http://127.0.0.1:9",
        "config_kwargs": {"retries": {"max_attempts": 0}},
        "key": "me",
        "secret": "hush-hush",
    }
    with pytest.raises(ImagemillError, match="cannot be opened") as refused:
        opened(f"s3://{bucket}/set", storage_options=options)
    assert refused.value.exit_code == 1 and "hush-hush" not in str(refused.value)
    (tmp_path / "m.csv").write_text(f"uri\ns3://{bucket}/set/a.jpg\n")
    source = opened(str(tmp_path / "m.csv"), storage_options=options)
    with pytest.raises(OSError, match="EndpointConnectionError") as caught:
        source.read(f"s3://{bucket}/set/a.jpg")
    assert "hush-hush" not in str(caught.value)


def test_an_s3_source_that_is_not_there_is_a_wrong_request(s3: Any, bucket: str) -> None:
    for path in (f"s3://{bucket}/nothing", "s3://no-such-bucket-here/x", f"s3://{bucket}/m.csv"):
        with pytest.raises(RequestError, match="there is nothing here"):
            opened(path)
    put(s3, bucket, "a.jpg")
    with pytest.raises(RequestError, match="this is one file"):
        opened(f"s3://{bucket}/set/a.jpg")
    with pytest.raises(RequestError, match="give storage_options") as caught:
        opened(f"s3://me:secret@{bucket}/set")
    assert "secret@" not in str(caught.value)


class Refusing(http.server.BaseHTTPRequestHandler):
    """An endpoint of S3 that refuses everything, for the reason that the object's name says."""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        code = self.path.rpartition("/")[2]
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_refused_object_is_rejected_and_refused_credentials_are_an_error(tmp_path: Path) -> None:
    codes = ("AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch")
    (tmp_path / "m.csv").write_text("uri\n" + "".join(f"s3://bucket/{code}\n" for code in codes))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = {"endpoint_url": f"http://127.0.0.1:{server.server_port}", "key": "me", "secret": "hush-hush"}
        source = opened(str(tmp_path / "m.csv"), storage_options=options)
        with pytest.raises(Rejected) as caught:
            source.read("s3://bucket/AccessDenied")
        assert caught.value.reason == "unreadable"
        for code in codes[1:]:
            with pytest.raises(PermissionError):
                source.read(f"s3://bucket/{code}")
        server.shutdown()


# -- memory, file and http --


@pytest.fixture
def memory() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield fs
    fs.store.clear()


def test_a_memory_file_system_is_listed_and_read(memory: Any) -> None:
    names = [name for name in NAMES if "//" not in name]
    for name in [*names, ".hidden/a", "cat/.b"]:
        memory.pipe_file(f"/set/{name}", b"" if name == "empty" else name.encode())
    source = opened("memory://set")
    found = rows(source)
    assert {source.read(uri).decode() for uri in found} == {"" if name == "empty" else name for name in names}
    assert found["a b.jpg"]["size"] == 7 and found["a b.jpg"]["etag"]
    assert set(rows(opened("memory://set/*/*.jpg"))) == {"cat/b%25FF.jpg", "é/d.jpg", "x%21/y.jpg"}
    assert "set/a b.jpg" in rows(opened("memory://"))
    with pytest.raises(Rejected, match="gone: there is no such object"):
        source.read("gone")


def test_a_rejected_image_is_named_by_its_uri(memory: Any, tmp_path: Path) -> None:
    memory.pipe_file("/set/x!/y.jpg", b"12345")
    (tmp_path / "m.csv").write_text("uri\nmemory://set/gone.jpg\n")
    for source, uri in (
        (opened("memory://set", limits={"bytes": 4}), "x%21/y.jpg"),
        (opened(str(tmp_path / "m.csv")), "memory://set/gone.jpg"),
    ):
        with pytest.raises(Rejected) as caught:
            source.read(uri)
        assert caught.value.message.startswith(f"{uri}: ")


def test_an_archive_behind_a_url_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("cat/a b.jpg", b"picture")
        archive.writestr("b.jpg", b"")
    source = opened(f"zip://::file://{tmp_path}/set.zip")
    assert {uri: (row["size"], row["label"]) for uri, row in rows(source).items()} == {
        "cat/a b.jpg": (7, "cat"),
        "b.jpg": (0, None),
    }
    assert source.read("cat/a b.jpg") == b"picture" and source.read("b.jpg") == b""


def test_a_file_url_is_a_local_path(tmp_path: Path) -> None:
    (tmp_path / "a b%20.jpg").write_bytes(b"x")
    source = opened(f"file://{tmp_path}")
    assert source.root == str(tmp_path)
    assert source.read("a b%20.jpg") == b"x" and set(rows(source)) == {"a b%20.jpg"}


class Handler(http.server.SimpleHTTPRequestHandler):
    token = "hush-hush"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if f"token={self.token}" in self.path:
            super().do_GET()
        else:
            self.send_error(403)

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_credentials_of_a_url_are_used_and_never_shown(web: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("uri\na.jpg\ngone.jpg\n")
    (tmp_path / "a.jpg").write_bytes(b"picture")
    source = opened(f"{web}/m.csv?token=hush-hush")
    assert source.root == web
    assert set(rows(source)) == {"a.jpg", "gone.jpg"}
    assert source.read("a.jpg") == b"picture"
    with pytest.raises(Rejected, match="no such object") as missing:
        source.read("gone.jpg")
    assert "hush" not in str(missing.value)
    refused = opened(f"{web}/m.csv?token=hush-hush")
    Handler.token = "another"
    with pytest.raises(OSError, match="403") as caught:
        refused.read("a.jpg")
    assert "hush" not in str(caught.value)
    with pytest.raises(RequestError, match="there is nothing here") as unopened:  # so fsspec reads a 403
        opened(f"{web}/m.csv?token=hush-hush")
    assert "hush" not in str(unopened.value)
