"""The card is tested with the readers that it is written for: datasets, DuckDB, Polars."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tasks.store.card import card, features, header, plain
from tasks.store.local import Store
from tasks.store.schema import Contents, feature
from tests.tasks.store.builder import FEATURES, PIPELINE, TENSORS, Builder, Kept, Lost, usual

HOSTILE = (
    *("no", "Yes", "null", "~", "1", "0x1F", "1e3", "12:30", "2026-11-24", "", " spaced ", "a: b", "- a", "#c", "[x]"),
    *(
        'say "hi"',
        "it's",
        "two\nlines",
        "---",
        "\n---\n",
        "`code`",
        "a|b",
        "<script>alert(1)</script>",
        "%TAG",
        "&a *b",
    ),
    *("Übung", "日本", "🐈", "a\u2028b", "a\x85b", "\ufeffbom", "tab\there", "\x01", "back\\slash", "*x*", "$x$"),
)


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The library, offline, with a cache of its own."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    yield datasets
    datasets.enable_progress_bars()


def carded(builder: Builder, version: dict[str, Any]) -> str:
    text = card(version, builder.schemas)
    Store(builder.root).write_beside("README.md", text)
    return text


def front_matter(text: str) -> Any:
    import yaml

    return yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))


def test_datasets_loads_images_classes_and_both_configurations(tmp_path: Path, datasets: Any) -> None:
    builder, version = usual(tmp_path / "one")
    carded(builder, version)
    images = datasets.load_dataset(str(builder.root))
    assert {name: split.num_rows for name, split in images.items()} == version["counts"]["rows"]["images"]
    assert images["train"].features["label"].names == ["cat", "dog"]
    assert images["train"][0]["image"].size == (64, 48)
    vectors = datasets.load_dataset(str(builder.root), "features", split="test")
    assert vectors.features["descriptors"] == datasets.List(datasets.Value("float32"), length=216)
    assert datasets.get_dataset_default_config_name(str(builder.root)) == "images"


def test_what_was_rejected_is_a_configuration_of_its_own(tmp_path: Path, datasets: Any) -> None:
    builder, version = usual(tmp_path / "one")
    carded(builder, version)
    lost = datasets.load_dataset(str(builder.root), "rejected", split="rejected")
    assert lost.num_rows == version["counts"]["rejected"] > 0
    assert set(lost["reason"]) == set(version["counts"]["reasons"])
    (builder.root / "README.md").unlink()
    files = str(builder.root / "rejected" / "*.parquet")
    assert datasets.load_dataset("parquet", data_files=files, split="train").features == lost.features


def test_where_all_was_rejected_the_reasons_still_load(tmp_path: Path, datasets: Any) -> None:
    builder = Builder(tmp_path / "one")
    carded(builder, builder.version([], [Lost("a.jpg"), Lost("b.jpg")]))
    assert datasets.load_dataset(str(builder.root), "rejected", split="rejected").num_rows == 2


def test_the_card_says_what_the_files_say(tmp_path: Path, datasets: Any) -> None:
    """With the card and without it, datasets finds the same features."""
    builder = Builder(tmp_path / "boxes", classes=("cat", "no"), categories=("face", "yes"))
    carded(builder, builder.version([Kept("a.jpg", "no", boxes=[((1, 2, 3, 4), "yes")])]))
    told = datasets.load_dataset(str(builder.root), split="train")
    (builder.root / "README.md").unlink()
    inferred = datasets.load_dataset("parquet", data_files=str(builder.root / "data" / "*.parquet"), split="train")
    assert told.features == inferred.features
    assert told.features["objects"].feature["category"].names == ["face", "yes"]


def test_features_are_written_as_datasets_writes_them(datasets: Any) -> None:
    struct = pa.struct([("a", pa.int32()), ("l", pa.list_(pa.list_(pa.string())))])
    kinds = {
        **{str(kind): kind for kind in (pa.bool_(), pa.int8(), pa.uint16(), pa.float32(), pa.string(), pa.binary())},
        "when": pa.timestamp("us", "UTC"),
        **{str(kind): kind for kind in (pa.date32(), pa.date64(), pa.float16(), pa.time32("s"), pa.decimal128(9, 2))},
        "words": pa.large_list(pa.large_string()),
        "coded": pa.dictionary(pa.int32(), pa.string()),
        "nothing": pa.null(),
        "label": pa.int64(),
        "struct": struct,
        "structs": pa.list_(struct),
        "fixed": pa.list_(pa.float32(), 4),
        "boxes": pa.list_(pa.list_(pa.float32(), 4)),
        "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    }
    about = {name: feature(pa.field(name, kind), Contents(HOSTILE)) for name, kind in kinds.items()}
    schema = pa.schema(list(kinds.items())).with_metadata({"huggingface": json.dumps({"info": {"features": about}})})
    assert features(schema) == datasets.Features.from_dict(about)._to_yaml_list()


@pytest.mark.parametrize("name", HOSTILE)
def test_any_class_name_survives(tmp_path: Path, datasets: Any, name: str) -> None:
    builder = Builder(tmp_path / "one", classes=(name, "other"), categories=("other", name))
    text = carded(builder, builder.version([Kept("a.jpg", name)]))
    names = front_matter(text)["dataset_info"][0]["features"][3]["dtype"]["class_label"]["names"]
    assert names == {"0": name, "1": "other"}
    assert "<script>" not in text.split("\n---\n", 1)[1]


def test_datasets_reads_all_hostile_class_names(tmp_path: Path, datasets: Any) -> None:
    builder = Builder(tmp_path / "one", classes=HOSTILE)
    carded(builder, builder.version([Kept("a.jpg", name) for name in HOSTILE[:1]]))
    assert datasets.load_dataset(str(builder.root), split="train").features["label"].names == list(HOSTILE)


def test_splits_may_have_any_name(tmp_path: Path, datasets: Any) -> None:
    builder = Builder(tmp_path / "one")
    kept = [Kept(f"{i}.jpg", split=split) for i, split in enumerate(("no", "dev_2", "2026", "train", "test", "null"))]
    text = carded(builder, builder.version(kept))
    assert set(datasets.load_dataset(str(builder.root))) == {"no", "dev_2", "2026", "train", "test", "null"}
    first = [entry["split"] for entry in front_matter(text)["configs"][0]["data_files"]]
    assert first == ["train", "test", "2026", "dev_2", "no", "null"]


def test_partitions_of_a_split_are_loaded_together(tmp_path: Path, datasets: Any) -> None:
    builder = Builder(tmp_path / "one")
    kept = [Kept(f"{i}.jpg", split="test", partition=f"2026.1{i % 2}") for i in range(4)]
    carded(builder, builder.version(kept))
    assert datasets.load_dataset(str(builder.root), split="test").num_rows == 4


def test_a_file_that_the_version_does_not_name_is_not_loaded(tmp_path: Path, datasets: Any) -> None:
    builder, version = usual(tmp_path / "one")
    carded(builder, version)
    file = next((builder.root / "data").glob("test-*.parquet"))
    shutil.copy(file, file.with_name("test-all-0000000000000000.parquet"))
    assert (
        datasets.load_dataset(str(builder.root), split="test").num_rows == version["counts"]["rows"]["images"]["test"]
    )


@pytest.mark.parametrize("pipeline", [PIPELINE, TENSORS, FEATURES])
def test_an_output_without_rows_streams(tmp_path: Path, datasets: Any, pipeline: str) -> None:
    """Its features are there. Read whole, datasets 5.2 refuses any empty split: "corresponds to no data"."""
    builder = Builder(tmp_path / "one", pipeline)
    carded(builder, builder.version([], [Lost("a.jpg"), Lost("b.jpg")]))
    stream = datasets.load_dataset(str(builder.root), split="train", streaming=True)
    assert list(stream) == []
    assert list(stream.features) == list(builder.schemas[builder.graph.outputs[0].name].names)
    with pytest.raises(ValueError, match="no data"):
        datasets.load_dataset(str(builder.root))


def test_a_tensor_loads_with_its_length(tmp_path: Path, datasets: Any) -> None:
    builder = Builder(tmp_path / "one", TENSORS)
    carded(builder, builder.version([Kept("a.jpg")]))
    assert len(datasets.load_dataset(str(builder.root), split="train")[0]["pixels"]) == 32 * 24


def test_nothing_of_the_run_is_in_the_card(tmp_path: Path) -> None:
    builder, version = usual(tmp_path / "one")
    text = card(version, builder.schemas)
    other = {
        **version,
        "created": "1999-01-01T00:00:00+00:00",
        "run_id": "x",
        "source": "/home/me",
        "platform": {"a": 1},
    }
    assert card(other, builder.schemas) == text
    assert "license" not in front_matter(text)


def test_the_sum_and_the_reasons_are_stated(tmp_path: Path) -> None:
    builder, version = usual(tmp_path / "one")
    text = card(version, builder.schemas)
    assert "**40 listed = 35 kept + 5 rejected**" in text
    assert "| blurry | 4 |" in text and "| duplicate | 1 |" in text
    assert "| `images` | 87 | 3 | 3 | 93 |" in text


def test_the_steps_read_as_they_were_written(tmp_path: Path) -> None:
    builder, version = usual(tmp_path / "one")
    text = card(version, builder.schemas)
    assert "- screen: {checks: [blurry: {below: 0.62}, dark: {below: 0.32}, min_size: {size: [64, 64]}]}\n" in text
    assert "- augment: {copies: 2, transforms: [hflip: {p: 0.5}]}\n  id: augmented\n  where: {split: train}\n" in text
    assert "  id: descriptors\n  needs: [square]\n" in text


def test_the_commands_of_the_card_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, datasets: Any) -> None:
    import duckdb
    import polars

    builder, version = usual(tmp_path / "one")
    text = carded(builder, version)
    monkeypatch.chdir(builder.root)
    sql = re.findall(r"```sql\n(.*?)\n```", text, re.DOTALL)[0]
    assert dict(duckdb.sql(sql).fetchall()) == version["counts"]["rows"]["images"]
    for code in re.findall(r"```python\n(.*?)\n```", text, re.DOTALL):
        found: dict[str, Any] = {}
        exec(code.replace("PATH", str(builder.root)), found)
    assert isinstance(found["rows"], polars.LazyFrame)
    assert found["rows"].select(polars.len()).collect().item() == 93


def test_text_is_shown_as_it_is() -> None:
    assert plain("a|b *c* <i>\n`d` [e](f)") == r"a\|b \*c\* &lt;i&gt; \`d\` \[e\](f)"


def test_the_header_counts_bytes_and_rows_of_the_files(tmp_path: Path) -> None:
    builder, version = usual(tmp_path / "one")
    splits = header(version, builder.schemas)["dataset_info"][0]["splits"]
    assert [split["num_examples"] for split in splits] == [87, 3, 3]
    whole = sum(entry["bytes"] for entry in version["files"] if entry["output"] == "images")
    assert sum(split["num_bytes"] for split in splits) == whole
