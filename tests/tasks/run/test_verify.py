"""Verify, replay and trace: a tampered shard, a changed source and changed code are told apart."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.errors import RequestError
from tasks.run.replay import replay
from tasks.run.trace import drawn, trace
from tasks.run.verify import verify
from tasks.store import writer
from tests.tasks.run.serial import serial
from tests.tasks.run.test_run import SAMPLE, Collection


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    Collection(tmp_path).run("a")
    return tmp_path / "a"


def test_every_row_is_made_again_to_the_same_bytes(dataset: Path) -> None:
    found = verify(dataset, None)
    assert found["problems"] == []
    assert found["replayed"] == found["rows"] > 100


def test_rows_in_folds_are_made_again_too(tmp_path: Path) -> None:
    file = tmp_path / "pipelines.yaml"
    text = "version: 1\npipelines:\n  p:\n    source: {path: SOURCE, metadata: [exif]}\n    steps:\n"
    steps = "      - split: {train: 0.7, test: 0.3, stratify: label, folds: 3}\n      - resize: {size: [16, 16]}\n"
    file.write_text(text.replace("SOURCE", str(SAMPLE)) + steps)
    serial(file, "p", tmp_path / "out")
    found = verify(tmp_path / "out", None)
    assert found["problems"] == [] and found["replayed"] == found["rows"] > 30


def test_a_damaged_shard_is_named(dataset: Path) -> None:
    shard = next((dataset / "data").glob("train-*"))
    shard.chmod(0o644)
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    (problem,) = verify(dataset)["problems"]
    assert shard.name in problem
    assert "tampered" in problem


def test_a_changed_source_is_told_from_a_tampered_row(dataset: Path) -> None:
    row = pq.read_table(dataset / "data", columns=["id", "source"]).to_pylist()[0]
    source = dataset.parent / "source" / row["source"]["uri"]
    source.write_bytes(source.read_bytes() + b"\0")
    found = replay(dataset, row["id"])
    assert not found["same"]
    assert "the source has changed" in found["message"]


def test_a_row_that_was_tampered_with_under_a_new_checksum_is_found_by_replay(dataset: Path) -> None:
    shard = next((dataset / "data").glob("train-*"))
    table = pq.read_table(shard)
    images = table["image"].to_pylist()
    images[0], images[1] = images[1], images[0]
    swapped = table.set_column(
        table.schema.get_field_index("image"),
        table.schema.field("image"),
        pa.array(images, table.schema.field("image").type),
    )
    shard.unlink()
    written = writer.write(shard, table.schema, swapped.to_batches(), table.num_rows)
    versions = dataset / ".imagemill" / "versions" / "00000001.json"
    version = json.loads(versions.read_text())
    entry = next(e for e in version["files"] if e["path"].endswith(shard.name))
    entry.update(sha256=written.sha256, bytes=written.bytes)
    (dataset / ".imagemill" / entry["object"]).unlink()
    (dataset / ".imagemill" / entry["object"]).hardlink_to(shard)
    versions.chmod(0o644)
    versions.write_text(json.dumps(version))
    assert any("tampered" in problem for problem in verify(dataset, None)["problems"])


def test_changed_code_is_named(dataset: Path) -> None:
    versions = dataset / ".imagemill" / "versions" / "00000001.json"
    version = json.loads(versions.read_text())
    version["fingerprints"]["images"] = "0" * 64
    shard = next((dataset / "data").glob("train-*"))
    row = pq.read_table(shard, columns=["id"])["id"][0].as_py()
    versions.chmod(0o644)
    versions.write_text(json.dumps(version))
    assert replay(dataset, row)["same"]  # the code has changed, this row has not


def test_a_source_is_traced_to_its_rows_and_a_row_to_its_source(dataset: Path) -> None:
    copies = [n for n in pq.read_table(dataset / "data", columns=["id"])["id"].to_pylist() if ".augmented:2" in n]
    from_row = trace(dataset, copies[0])
    from_uri = trace(dataset, from_row["source"]["uri"])
    assert from_row["rows"] == from_uri["rows"]
    assert {row["output"] for row in from_row["rows"]} == {"images", "features"}
    assert len(from_row["rows"]) == 4
    assert "augmented/brightness_contrast" in drawn(from_row)


def test_a_rejected_source_is_traced_to_its_reason(dataset: Path) -> None:
    rejected = pq.read_table(dataset / "rejected").to_pylist()
    for row in rejected:
        found = trace(dataset, row["uri"])
        assert found["rows"] == []
        assert [one["reason"] for one in found["rejected"]] == [row["reason"]]


def test_an_unknown_name_is_refused(dataset: Path) -> None:
    with pytest.raises(RequestError, match="in no version"):
        trace(dataset, "nowhere.jpg")
    with pytest.raises(RequestError, match="no row"):
        replay(dataset, "0" * 20)


def test_a_deleted_source_is_found_in_the_version_that_had_it(dataset: Path) -> None:
    row = pq.read_table(dataset / "data", columns=["id", "source"]).to_pylist()[0]
    (dataset.parent / "source" / row["source"]["uri"]).unlink()
    collection = Collection.__new__(Collection)
    collection.folder, collection.source = dataset.parent, dataset.parent / "source"
    collection.run("a")
    found = trace(dataset, row["source"]["uri"])
    assert (found["version"], found["newest"]) == (1, False)
