"""A dataset in an object store: a real S3 endpoint over HTTP, conditional writes, two writers, killed ones."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pyarrow.dataset
import pyarrow.fs
import pytest
from botocore.exceptions import EndpointConnectionError
from click.testing import CliRunner
from PIL import Image

from flows.cli import main
from tasks.errors import ImagemillError
from tasks.report.publish import publish
from tasks.run.verify import verify
from tasks.store import remote
from tasks.store.dataset import open_dataset
from tasks.store.remote import ObjectStore, store_at
from tests.tasks.run.serial import serial

PIPELINE = """
version: 1
pipelines:
  small:
    source: {path: images, labels: none}
    steps:
      - resize: {size: [16, 16]}
"""


@pytest.fixture
def url(s3: Any, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(remote.CACHE, str(tmp_path / "cache"))
    bucket = request.node.name.replace("_", "-")[:60].strip("-")
    s3.create_bucket(Bucket=bucket)
    (tmp_path / "images").mkdir()
    for i in range(6):
        image(tmp_path, i)
    (tmp_path / "pipelines.yaml").write_text(PIPELINE)
    return f"s3://{bucket}/sets/small"


def image(folder: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "images" / f"{seed}.png")


def run(folder: Path, url: str) -> Any:
    store = store_at(url)
    ran = serial(folder / "pipelines.yaml", "small", store)
    with store.locked():
        publish(store, store.latest() or {})
    return ran


def names(s3: Any, url: str) -> set[str]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {one["Key"].removeprefix(prefix + "/") for one in found}


def rows(url: str) -> list[str]:
    """What another library reads there."""
    host = boto3.client("s3").meta.endpoint_url
    files = pyarrow.fs.S3FileSystem(endpoint_override=host, region="us-east-1")
    table = pyarrow.dataset.dataset(url.removeprefix("s3://") + "/data", filesystem=files, format="parquet").to_table()
    return sorted(table.column("id").to_pylist())


def test_a_run_commits_there_and_the_next_goes_on_from_there(s3: Any, url: str, tmp_path: Path) -> None:
    first = run(tmp_path, url)
    assert len(rows(url)) == 6
    assert {"README.md", "croissant.json", "report.html", ".imagemill/versions/00000001.json"} <= names(s3, url)
    assert ".imagemill/lease.json" not in names(s3, url)
    shutil.rmtree(tmp_path / "cache")  # another machine
    assert not run(tmp_path, url).committed
    image(tmp_path, 99)
    shutil.rmtree(tmp_path / "cache")
    second = run(tmp_path, url)
    assert (first.made, second.made, second.version["version"]) == (6, 1, 2)
    assert len(open_dataset(url).table()) == 7
    assert verify(url, None)["problems"] == []
    assert set(second.version["files"][0]["path"].split()) <= names(s3, url)


def test_it_is_the_same_dataset_as_on_a_disk(url: str, tmp_path: Path) -> None:
    there = run(tmp_path, url).version
    here = serial(tmp_path / "pipelines.yaml", "small", tmp_path / "out").version
    assert there["files"] == here["files"] and there["rejected"] == here["rejected"]


def test_it_is_a_source_of_another_dataset(url: str, tmp_path: Path) -> None:
    run(tmp_path, url)
    (tmp_path / "again.yaml").write_text(
        f"version: 1\npipelines: {{again: {{source: {{path: '{url}', format: imagemill}}, steps: [hflip]}}}}"
    )
    serial(tmp_path / "again.yaml", "again", tmp_path / "again")
    made = open_dataset(url).table().to_pylist()
    found = open_dataset(tmp_path / "again").table().to_pylist()
    assert {row["source"]["uri"] for row in found} == {f"images!/image/{row['id']}" for row in made}
    held = {row["id"]: hashlib.sha256(row["image"]["bytes"]).hexdigest() for row in made}
    assert {row["manifest_id"]: row["source"]["sha256"] for row in found} == held
    image(tmp_path, 99)
    run(tmp_path, url)
    serial(tmp_path / "again.yaml", "again", tmp_path / "again")
    more = open_dataset(tmp_path / "again").table().to_pylist()
    assert len(more) == 7 and all(row in more for row in found)
    shutil.rmtree(tmp_path / "cache")
    assert verify(tmp_path / "again", None)["problems"] == []


def test_a_version_that_another_run_took_meanwhile_is_an_error_and_theirs_stays(
    s3: Any, url: str, tmp_path: Path
) -> None:
    run(tmp_path, url)
    store = ObjectStore.at(url)
    before = store.latest()
    assert before is not None
    with pytest.raises(ImagemillError, match="version 1 was committed by another run meanwhile"):
        store.commit({**before, "run_id": "another"})
    shutil.rmtree(tmp_path / "cache")
    assert store_at(url).pull().latest() == before  # type: ignore[attr-defined]


def test_a_second_run_fails_at_its_start_and_a_killed_ones_lease_ends(
    s3: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store_at(url).locked():
        monkeypatch.setenv(remote.CACHE, str(tmp_path / "elsewhere"))
        with pytest.raises(ImagemillError, match="another run is writing this dataset"), store_at(url).locked():
            pass
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    until = datetime.now(UTC) - timedelta(seconds=1)
    lease = json.dumps({"holder": "killed", "until": until.isoformat()})
    s3.put_object(Bucket=bucket, Key=f"{prefix}/.imagemill/lease.json", Body=lease.encode())
    with store_at(url).locked():
        assert ".imagemill/lease.json" in names(s3, url)
    assert ".imagemill/lease.json" not in names(s3, url)


def test_a_lease_is_renewed_while_the_run_goes_on(
    s3: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LEASE_SECONDS", 0.3)
    bucket, _, prefix = url.removeprefix("s3://").partition("/")

    def until() -> str:
        body = s3.get_object(Bucket=bucket, Key=f"{prefix}/.imagemill/lease.json")["Body"]
        return str(json.loads(body.read())["until"])

    with store_at(url).locked():
        first, deadline = until(), datetime.now(UTC) + timedelta(seconds=30)
        while until() == first:
            assert datetime.now(UTC) < deadline, "never renewed"


def test_what_no_version_names_is_removed_after_a_while(
    s3: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = run(tmp_path, url).version["files"][0]["path"]
    image(tmp_path, 7)
    new = run(tmp_path, url).version["files"][0]["path"]
    assert {old, new} <= names(s3, url)
    monkeypatch.setattr(remote, "GRACE", timedelta(seconds=-1))
    image(tmp_path, 8)
    newest = run(tmp_path, url).version["files"][0]["path"]
    found = names(s3, url)
    assert newest in found and not {old, new} & found


def test_what_was_superseded_just_now_stays_however_old_it_is(
    s3: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = run(tmp_path, url).version["files"][0]["path"]
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=f"{prefix}/data/stray.parquet", Body=b"of a killed run")
    monkeypatch.setattr(remote, "_age", lambda about: timedelta(days=30))
    image(tmp_path, 7)
    new = run(tmp_path, url).version["files"][0]["path"]
    found = names(s3, url)
    assert {old, new} <= found and "data/stray.parquet" not in found


def test_a_drivers_own_errors_do_not_end_the_renewing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "LEASE_SECONDS", 0.3)
    monkeypatch.setattr(remote.time, "sleep", lambda seconds: None)
    store = ObjectStore.at(url)
    fs, tried = store._remote[0], threading.Event()
    pipe_file = fs.pipe_file

    def failing(path: str, *args: Any, **options: Any) -> None:
        if "mode" in options:
            return pipe_file(path, *args, **options)
        renewals.append(path)
        if len(renewals) > 1:
            tried.set()
        raise EndpointConnectionError(endpoint_url="http://nowhere")

    renewals: list[str] = []
    monkeypatch.setattr(fs, "pipe_file", failing)
    with store.locked():
        assert tried.wait(30), "the first error ended it"


def test_an_error_promises_nothing_of_the_commit(s3: Any, url: str, tmp_path: Path) -> None:
    run(tmp_path, url)
    store = ObjectStore.at(url)
    bucket = url.removeprefix("s3://").partition("/")[0]
    for name in names(s3, url):
        s3.delete_object(Bucket=bucket, Key=f"{url.removeprefix(f's3://{bucket}/')}/{name}")
    s3.delete_bucket(Bucket=bucket)
    with pytest.raises(ImagemillError, match="each version is there whole or not at all, run again"):
        store.write_beside("README.md", "text")
    assert store.versions() == [1]


def test_a_file_that_was_tampered_with_there_is_not_taken(s3: Any, url: str, tmp_path: Path) -> None:
    path = run(tmp_path, url).version["files"][0]["path"]
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    size = s3.head_object(Bucket=bucket, Key=f"{prefix}/{path}")["ContentLength"]
    s3.put_object(Bucket=bucket, Key=f"{prefix}/{path}", Body=bytes(size))
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(ImagemillError, match="its SHA-256 is not the one that was committed"):
        open_dataset(url)


def test_a_bucket_that_is_not_there_is_told_in_one_line(url: str) -> None:
    with (
        pytest.raises(ImagemillError, match=r"s3://nowhere-at-all/x: .*bucket") as told,
        store_at("s3://nowhere-at-all/x").locked(),
    ):
        pass
    assert "\n" not in str(told.value)


def test_the_commands_take_its_url(url: str, tmp_path: Path) -> None:
    run(tmp_path, url)
    image(tmp_path, 7)
    run(tmp_path, url)
    back = CliRunner().invoke(main, ["rollback", url, "1", "--json"])
    assert back.exit_code == 0 and json.loads(back.output)["version"] == 3, back.output
    assert len(open_dataset(url).table()) == 6
    page = tmp_path / "way.html"
    traced = CliRunner().invoke(main, ["trace", url, "1.png", "--html", str(page)])
    assert traced.exit_code == 0 and page.read_text("utf-8").startswith("<!doctype html>"), traced.output
    cleaned = CliRunner().invoke(main, ["clean", url])
    assert cleaned.exit_code == 2 and "runs themselves remove" in cleaned.stderr
