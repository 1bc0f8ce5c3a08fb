"""Reading for training: by number, as a shuffled stream, and shared out so that every row is read exactly once."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import imagemill
from tasks.errors import ImagemillError, RequestError
from tasks.store.reading import Rows, Share
from tests.tasks.formats.made import labelled, masked, photographs, ran, rows

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled(tmp_path_factory.mktemp("classes"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Forty rows in several shards."""
    folder = tmp_path_factory.mktemp("many")
    photographs(folder / "photos", *(f"{i}.png" for i in range(8)))
    steps = "[resize: {size: [60, 40]}, augment: {copies: 4, transforms: [hflip]}]"
    dataset = ran(folder, "{path: photos}", steps, "    outputs: {images: {from: augment, shard: 40KB}}\n")
    found = imagemill.open(dataset).rows(columns=["id", "image"]).undecoded()
    assert len(found) == 40 and len(found.dataset.files()) > 2
    return found


def ids(stream: Any) -> list[str]:
    return [row["id"] for row in stream]


def test_rows_are_read_by_number_as_they_lie(classes: Path) -> None:
    dataset = imagemill.open(classes)
    by_id = rows(classes)
    assert len(dataset) == 16 and ids(dataset) == [dataset[i]["id"] for i in range(16)]
    row = dataset[3]
    own = by_id[row["id"]]
    assert row["image"].shape == (40, 60, 3) and row["image"].dtype == np.uint8
    assert np.abs(row["image"].astype(int) - np.asarray(Image.open(io.BytesIO(own["image"]["bytes"])))).max() <= 2
    assert row["hog"].dtype == np.float32 and row["hog"].tolist() == own["hog"]
    assert (row["label"], row["split"], row["source"]) == (own["label"], own["split"], own["source"])
    assert dataset[-1]["id"] == dataset[15]["id"]
    with pytest.raises(IndexError):
        dataset[16]


def test_a_split_some_columns_and_bytes(classes: Path) -> None:
    dataset = imagemill.open(classes)
    test = dataset.rows(split="test", columns=["image", "label"], decoded=False)
    own = [row for row in rows(classes).values() if row["split"] == "test"]
    assert [(row["image"], row["label"]) for row in test] == [(row["image"]["bytes"], row["label"]) for row in own]
    assert test[0].keys() == {"image", "label"} and len(test[:2]) == 2
    assert list(test.select("id")[0]) == ["id"]


def test_a_mask_is_its_class_indices_and_a_tensor_has_its_shape(tmp_path: Path) -> None:
    read = {row["source"]["uri"]: row for row in imagemill.open(masked(tmp_path))}
    assert set(np.unique(read["photos/0.png"]["mask"])) == {0, 3} and read["photos/1.png"]["mask"] is None
    steps = "[convert_color: {space: rgb}, resize: {size: [60, 40]}, normalize: {}]"
    row = imagemill.open(ran(tmp_path, "{path: photos}", steps, name="tensors"))[0]
    assert row["pixels"].shape == (40, 60, 3) and row["pixels"].dtype == np.float32


def test_what_is_not_there_is_named(classes: Path) -> None:
    dataset = imagemill.open(classes)
    for options, message in (
        ({"output": "nope"}, "no output 'nope'; there are images"),
        ({"split": "nope"}, "no rows in a split 'nope'; there are test, train"),
        ({"columns": ["nope"]}, "no column 'nope' in images; there are id"),
    ):
        with pytest.raises(RequestError, match=message):
            dataset.rows(**options)  # type: ignore[arg-type]


def test_a_table_of_a_split_that_is_not_there_is_named_too(classes: Path) -> None:
    dataset = imagemill.open(classes)
    for read in (dataset.table, dataset.files, dataset.entries):
        with pytest.raises(RequestError, match="no rows in a split 'typo'; there are test, train"):
            read(split="typo")
    assert len(dataset.table(split="test")) + len(dataset.table(split="train")) == len(dataset)


def test_an_epoch_holds_every_row_once_in_an_order_of_its_own(many: Rows) -> None:
    first, again, second = ids(many.stream(0, buffer=8)), ids(many.stream(0, buffer=8)), ids(many.stream(1, buffer=8))
    assert first == again != second and first != ids(many.stream(0, seed=1, buffer=8))
    assert sorted(first) == sorted(second) == sorted(ids(many))
    assert ids(many.stream(shuffle=False)) == ids(many)


@given(
    world=st.integers(1, 5),
    workers=st.integers(1, 4),
    seed=st.integers(0, 99),
    buffer=st.integers(1, 50),
    shuffle=st.booleans(),
)
def test_ranks_and_workers_read_every_row_exactly_once(
    world: int, workers: int, seed: int, buffer: int, shuffle: bool, many: Rows
) -> None:
    parts = [
        ids(many.stream(3, seed=seed, buffer=buffer, shuffle=shuffle, share=Share.of(rank, world, worker, workers)))
        for rank in range(world)
        for worker in range(workers)
    ]
    assert sorted(id for part in parts for id in part) == sorted(ids(many))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    of_ranks = [sum(map(len, parts[i * workers : (i + 1) * workers])) for i in range(world)]
    assert max(of_ranks) - min(of_ranks) <= 1


def test_even_shares_have_as_many_rows_and_leave_out_others_each_epoch(many: Rows) -> None:
    left = []
    for epoch in range(6):
        parts = [ids(many.stream(epoch, share=Share(i, 7), even=True)) for i in range(7)]
        read = [id for part in parts for id in part]
        assert {len(part) for part in parts} == {5} and len(set(read)) == 35
        left.append(set(ids(many)) - set(read))
    assert len(set.union(*left)) > 5


def test_a_damaged_shard_is_an_error_and_no_picture(tmp_path: Path) -> None:
    dataset = labelled(tmp_path)
    path = imagemill.open(dataset).files()[0]
    held = bytearray(path.read_bytes())
    held[len(held) // 3] ^= 0xFF
    path.chmod(0o644)
    path.write_bytes(held)
    with pytest.raises(ImagemillError, match="damaged"):
        list(imagemill.open(dataset))


def test_without_pytorch_the_error_says_what_to_install(many: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "tasks.store.torch_rows", raising=False)
    for make in (many.torch_dataset, many.torch_iterable):
        with pytest.raises(ImagemillError, match="pip install torch"):
            make()


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """PyTorch where it is installed; else what we use of it, with the meaning that its documentation gives."""
    try:
        import torch.utils.data  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        names = ("torch", "torch.distributed", "torch.utils", "torch.utils.data")
        torch, distributed, utils, data = (types.ModuleType(name) for name in names)
        torch.distributed, torch.utils, utils.data = distributed, utils, data  # type: ignore[attr-defined]
        distributed.is_available = lambda: True  # type: ignore[attr-defined]
        distributed.is_initialized = lambda: False  # type: ignore[attr-defined]
        data.get_worker_info = lambda: None  # type: ignore[attr-defined]
        data.Dataset, data.IterableDataset = type("Dataset", (), {}), type("IterableDataset", (), {})  # type: ignore[attr-defined]
        for name, module in zip(names, (torch, distributed, utils, data), strict=True):
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.delitem(sys.modules, "tasks.store.torch_rows", raising=False)
        yield torch
        sys.modules.pop("tasks.store.torch_rows", None)
    else:
        yield torch


def test_the_torch_sets_share_themselves_out(many: Rows, torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = many.torch_dataset(lambda row: row["id"])
    assert [dataset[i] for i in range(len(dataset))] == ids(many)
    stream = many.torch_iterable(lambda row: row["id"], seed=5, buffer=4)
    first = list(stream)
    stream.set_epoch(1)
    assert sorted(first) == sorted(stream) == sorted(ids(many)) and first != list(stream)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3, raising=False)
    parts: list[str] = []
    for rank in range(3):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank, raising=False)
        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        before = len(parts)
        stream.set_epoch(1)
        per_rank = len(stream)
        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: False)  # a loader's worker knows of no ranks
        for worker in range(2):
            info = types.SimpleNamespace(id=worker, num_workers=2)
            module = sys.modules["tasks.store.torch_rows"]
            monkeypatch.setattr(module, "get_worker_info", lambda info=info: info)
            parts += list(stream)
        assert abs(len(parts) - before - per_rank) <= 1
    assert sorted(parts) == sorted(ids(many))


def test_rows_travel_to_another_process(many: Rows) -> None:
    assert ids(pickle.loads(pickle.dumps(many))) == ids(many)


def test_images_are_found_in_their_shard_byte_for_byte(many: Rows, tmp_path: Path) -> None:
    from tasks.store.offsets import NONE, offsets, read

    held = {row["id"]: row["image"] for row in many.stream(shuffle=False)}
    for path in many.dataset.files():
        found = offsets(path, 0, "image")
        assert found is not None
        table = pq.read_table(path, columns=["id"]).column("id").to_pylist()
        assert [read(path, *place) for place in found.tolist()] == [held[id] for id in table]
    path = imagemill.open(masked(tmp_path)).files()[0]
    masks = offsets(path, 0, "mask")
    assert masks is not None and sorted(length == NONE for length in masks[:, 1]) == [False, True]


def test_images_are_found_in_a_process_that_has_imported_nothing_else(many: Rows) -> None:
    code = (
        "import sys; from pathlib import Path; from tasks.store.offsets import offsets\n"
        "print(offsets(Path(sys.argv[1]), 0, 'image').shape)"
    )
    command = [sys.executable, "-c", code, str(many.dataset.files()[0])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0 and done.stdout.endswith(", 2)\n"), done.stderr


def test_rows_that_another_writer_compressed_are_read_all_the_same(many: Rows, tmp_path: Path) -> None:
    from tasks.store.offsets import offsets

    path = many.dataset.files()[0]
    pq.write_table(pq.read_table(path), tmp_path / "again.parquet", compression="zstd", use_dictionary=True)
    assert offsets(tmp_path / "again.parquet", 0, "image") is None
    row = many._row(tmp_path / "again.parquet", 0, 1)
    assert row == {name: value for name, value in row.items() if name in ("id", "image")}
    assert row["image"]["bytes"] == many[1]["image"]
