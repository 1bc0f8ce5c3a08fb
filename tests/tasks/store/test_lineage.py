"""The events of a run, as OpenLineage's specification wants them, in a file or at a real endpoint."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import jsonschema
import pyarrow as pa
import pytest

from tasks.errors import ImagemillError, RequestError
from tasks.run.replay import Replayer
from tasks.store.dataset import open_dataset
from tasks.store.lineage import Lineage, events, place
from tasks.store.local import Store
from tasks.store.remote import ObjectStore
from tests.tasks.run.serial import serial

ROOT = Path(__file__).parents[3]
PIPELINE = """
version: 1
pipelines:
  small:
    description: A small one
    source: {path: SOURCE}
    steps:
      - screen: {dark: {}}
      - resize: {size: [16, 16]}
        id: small
      - color_moments: {}
        id: moments
    outputs:
      images: {from: small}
      features: {from: moments}
"""
FACETS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["_producer", "_schemaURL"],
        "properties": {
            "_producer": {"type": "string", "pattern": "^https://"},
            "_schemaURL": {"type": "string", "pattern": r"^https://openlineage\.io/spec/facets/.+\.json#/\$defs/.+"},
        },
    },
}
DATASET = {
    "type": "object",
    "required": ["namespace", "name"],
    "properties": {
        "namespace": {"type": "string", "minLength": 1},
        "name": {"type": "string", "minLength": 1},
        "facets": FACETS,
        "inputFacets": FACETS,
        "outputFacets": FACETS,
    },
}
# What the specification (OpenLineage 2-0-2) demands of a run's event, written from its text.
EVENT = {
    "type": "object",
    "required": ["eventTime", "eventType", "run", "job", "producer", "schemaURL"],
    "properties": {
        "eventTime": {"type": "string", "format": "date-time"},
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "producer": {"type": "string", "pattern": "^https://"},
        "schemaURL": {
            "type": "string",
            "pattern": r"^https://openlineage\.io/spec/.+OpenLineage\.json#/\$defs/RunEvent",
        },
        "run": {
            "type": "object",
            "required": ["runId"],
            "properties": {"runId": {"type": "string", "format": "uuid"}, "facets": FACETS},
        },
        "job": {
            "type": "object",
            "required": ["namespace", "name"],
            "properties": {"namespace": {"type": "string"}, "name": {"type": "string"}, "facets": FACETS},
        },
        "inputs": {"type": "array", "items": DATASET},
        "outputs": {"type": "array", "items": DATASET},
    },
}


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:  # the client leaves some of its own
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, Any], Any]:
    """A dataset, its version, its outputs' schemas."""
    folder = tmp_path_factory.mktemp("lineage")
    file = folder / "pipelines.yaml"
    file.write_text(PIPELINE.replace("SOURCE", str(ROOT / "data" / "sample" / "quickstart" / "faces")))
    version = serial(file, "small", folder / "out").version
    return Store(folder / "out"), version, Replayer(open_dataset(folder / "out")).job.stage.schemas


def lineage_of(store: Store, version: dict[str, Any], **more: Any) -> Lineage:
    return Lineage(store, version["name"], version["pipeline"], version["source_path"], uuid4(), **more)


def a_run(lineage: Lineage, version: dict[str, Any], schemas: Any) -> None:
    lineage.sources = version["counts"]["listed"]
    lineage.start()
    with lineage.stage("make again"):
        lineage.running()
    lineage.complete(version, schemas)


def valid(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for event in found:
        jsonschema.validate(event, EVENT, format_checker=jsonschema.FormatChecker())
        UUID(event["run"]["runId"])
    return found


def test_a_run_and_its_stages_tell_what_they_read_and_wrote(made: tuple[Store, dict[str, Any], Any]) -> None:
    store, version, schemas = made
    store.path("lineage/events.jsonl").unlink(missing_ok=True)
    lineage = lineage_of(store, version)
    a_run(lineage, version, schemas)
    found = valid(events(store))
    told = [(one["eventType"], one["job"]["name"]) for one in found]
    assert told == [
        ("START", "small"),
        ("START", "small.make_again"),
        ("RUNNING", "small"),
        ("COMPLETE", "small.make_again"),
        ("COMPLETE", "small"),
    ]
    stage, last = found[1], found[-1]
    assert stage["run"]["runId"] == str(uuid5(lineage.run_id, "make again"))
    assert stage["run"]["facets"]["parent"]["run"]["runId"] == str(lineage.run_id)
    assert last["job"]["facets"]["documentation"]["description"] == "A small one"
    (read_,) = last["inputs"]
    assert (read_["namespace"], read_["name"]) == ("file", version["source_path"])
    metrics = read_["inputFacets"]["dataQualityMetrics"]
    assert metrics["rowCount"] == version["counts"]["listed"] and metrics["bytes"] > 0
    assert 0 <= metrics["columnMetrics"]["dark"]["min"] <= metrics["columnMetrics"]["dark"]["max"] <= 1
    images, features = last["outputs"]
    assert images["name"] == f"{store.root}/data" and features["name"] == f"{store.root}/features"
    assert images["facets"]["version"]["datasetVersion"] == str(version["version"])
    assert [one["name"] for one in images["facets"]["schema"]["fields"]] == schemas["images"].names
    assert images["outputFacets"]["outputStatistics"]["rowCount"] == version["counts"]["kept"]
    columns = features["facets"]["columnLineage"]["fields"]
    assert set(columns) == set(schemas["features"].names)
    assert [columns[name]["inputFields"][0]["field"] for name in ("id", "moments")] == ["uri", "bytes"]


def test_a_dataset_in_an_object_store_is_named_by_its_url(made: tuple[Store, dict[str, Any], Any]) -> None:
    store, version, schemas = made
    store.path("lineage/events.jsonl").unlink(missing_ok=True)
    for url, name in (("s3://bucket/sets/small", "sets/small/data"), ("s3://bucket", "data")):
        a_run(lineage_of(ObjectStore(store.root, url), version), version, schemas)
        images = valid(events(store))[-1]["outputs"][0]
        assert (images["namespace"], images["name"]) == ("s3://bucket", name)


def test_only_the_columns_that_are_told_are_read(
    made: tuple[Store, dict[str, Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, version, _ = made
    read = set[str]()
    table = Store.table

    def recording(self: Store, entry: Any, columns: Any = None, filters: Any = None) -> pa.Table:
        found = table(self, entry, columns, filters)
        read.update(found.column_names)
        return found

    monkeypatch.setattr(Store, "table", recording)
    metrics = lineage_of(store, version)._metrics(version)
    assert read == metrics.keys() >= {"bytes", "dark"}
    assert lineage_of(store, version)._metrics({"measures": []})["bytes"].count == 0


def test_a_failed_run_says_why_and_a_wrong_request_says_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    lineage = Lineage(store, "small", {"steps": []}, "s3://bucket/images", uuid4(), parent=uuid4())
    lineage.fail(RequestError("no such column"))
    assert events(store) == []
    lineage.fail(ImagemillError("the mount is gone"))
    start, failed = valid(events(store))
    assert (start["eventType"], failed["eventType"]) == ("START", "FAIL")
    assert failed["run"]["facets"]["errorMessage"]["message"] == "the mount is gone"
    assert failed["run"]["facets"]["parent"]["run"]["runId"] == str(lineage.parent)
    assert (start["inputs"][0]["namespace"], start["inputs"][0]["name"]) == ("s3://bucket", "images")


def test_a_failed_stage_says_so_and_the_error_goes_on(tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    lineage = Lineage(store, "small", {"steps": []}, "/images", uuid4())
    lineage.start()
    with pytest.raises(OSError, match="disk full"), lineage.stage("seal"):
        raise OSError("disk full")
    assert [one["eventType"] for one in valid(events(store))] == ["START", "START", "FAIL"]


def test_a_run_without_anything_to_do_leaves_no_trace(made: tuple[Store, dict[str, Any], Any], tmp_path: Path) -> None:
    _, version, schemas = made
    store = Store(tmp_path / "out")
    lineage = lineage_of(store, version)
    with lineage.stage("make"):
        pass
    lineage.complete(version, schemas)
    assert not store.root.exists()


class Endpoint(ThreadingHTTPServer):
    received: list[tuple[str, dict[str, Any]]]
    status = 201


class Receiver(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        self.server.received.append((self.path, json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(("127.0.0.1", 0), Receiver) as server:
        server.received = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_standard_configuration_sends_them_to_an_endpoint(
    made: tuple[Store, dict[str, Any], Any], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, version, schemas = made
    monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{endpoint.server_port}")
    store, version, schemas = made
    store.path("lineage/events.jsonl").unlink(missing_ok=True)
    a_run(lineage_of(store, version), version, schemas)
    assert {path for path, _ in endpoint.received} == {"/api/v1/lineage"}
    found = valid([event for _, event in endpoint.received])
    assert [one["eventType"] for one in found] == ["START", "START", "RUNNING", "COMPLETE", "COMPLETE"]
    assert events(store) == []


def test_an_endpoint_that_refuses_fails_no_run_and_is_told(
    made: tuple[Store, dict[str, Any], Any],
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, version, _ = made
    endpoint.status = 400
    monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{endpoint.server_port}")
    lineage = lineage_of(store, version)
    lineage.start()
    assert lineage.lost == 1 and "could not be sent" in caplog.text


def test_disabled_means_none(
    made: tuple[Store, dict[str, Any], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    _, version, _ = made
    store = Store(tmp_path / "out")
    lineage_of(store, version).start()
    assert events(store) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data/images", ("file", "/data/images")),
        ("s3://bucket/a/b", ("s3://bucket", "a/b")),
        ("https://host:80", ("https://host:80", "/")),
    ],
)
def test_places_are_named_as_openlineage_names_them(path: str, expected: tuple[str, str]) -> None:
    assert place(path) == expected
