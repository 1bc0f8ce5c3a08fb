"""The dataset as others read it: Hugging Face datasets, DuckDB, Polars."""

from __future__ import annotations

import io
from pathlib import Path

import datasets
import duckdb
import polars
import pytest
from PIL import Image

from tasks.store.dataset import open_dataset


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("huggingface"))


def test_huggingface_datasets_opens_it_decoded_with_names(quickstart: Path, cache: str) -> None:
    version = open_dataset(quickstart).version
    loaded = datasets.load_dataset(str(quickstart), cache_dir=cache)
    assert {split: len(rows) for split, rows in loaded.items()} == version["counts"]["rows"]["images"]
    first = loaded["train"][0]
    assert first["image"].size == (256, 256)
    assert loaded["train"].features["label"].names == version["classes"]
    assert first["source"]["uri"].startswith(loaded["train"].features["label"].int2str(first["label"]))
    features = datasets.load_dataset(str(quickstart), "features", cache_dir=cache)
    assert len(features["train"][0]["descriptors"]) == 7 * 7 * 4 * 9
    joined = {row["id"] for row in loaded["test"]} & {row["id"] for row in features["test"]}
    assert joined == set(features["test"]["id"])


def test_duckdb_reads_images_and_rejections(quickstart: Path) -> None:
    version = open_dataset(quickstart).version
    sql = f"SELECT count(*), min(octet_length(image.bytes)) FROM '{quickstart}/data/*.parquet'"
    ((count, least),) = duckdb.sql(sql).fetchall()
    assert count == sum(version["counts"]["rows"]["images"].values())
    assert least > 100
    reasons = duckdb.sql(f"SELECT reason, count(*) FROM '{quickstart}/rejected/*.parquet' GROUP BY 1").fetchall()
    assert dict(reasons) == version["counts"]["reasons"]


def test_polars_scans_it(quickstart: Path) -> None:
    version = open_dataset(quickstart).version
    table = polars.scan_parquet(str(quickstart / "data" / "*.parquet")).collect()
    assert table.height == sum(version["counts"]["rows"]["images"].values())
    data = table["image"].struct.field("bytes")[0]
    assert Image.open(io.BytesIO(data)).size == (256, 256)
    drawn = table.filter(polars.col("copy") == 1)["lineage"][0]
    assert "augmented/brightness_contrast" in [step["step"] for step in drawn]
