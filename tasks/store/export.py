"""A dataset written as another format lays it out, from the store alone and shard by shard. No image is encoded."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import ImagemillError, RequestError
from tasks.formats.coco import Coco
from tasks.formats.imagefolder import ImageFolder
from tasks.formats.lance import Lance
from tasks.formats.voc import Voc
from tasks.formats.webdataset import WebDataset
from tasks.formats.writer import About, Writer, numbers
from tasks.formats.yolo import Yolo
from tasks.image.targets import Kinds
from tasks.store.dataset import Dataset
from tasks.store.local import whole
from tasks.store.reading import value_of

FORMATS: Final[dict[str, type[Writer]]] = {
    "webdataset": WebDataset,
    "imagefolder": ImageFolder,
    "coco": Coco,
    "voc": Voc,
    "yolo": Yolo,
    "lance": Lance,
}

BATCH_ROWS: Final = 64


def export(
    dataset: Dataset,
    to: str,
    target: Path,
    output: str | None = None,
    split: str | None = None,
    progress: Callable[[int], object] = lambda rows: None,
) -> dict[str, Any]:
    """Write an output (the default one) and a split (all) below ``target``, whole or not at all; say what was written.

    Raises ``RequestError`` where the format has no place for the rows or ``target`` is not empty, ``ImagemillError``
    where it cannot be written. ``progress`` is told how many rows have been written since the last time.
    """
    format = FORMATS[to]
    about = _about(dataset, output, split)
    if not format.fits(about):
        raise RequestError(f"{dataset.store.location}: {to} describes {format.describes}; these rows hold none")
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise RequestError(f"{target}: is not empty; name another --output, or remove it")
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        aside.mkdir(parents=True)
        rows = _write(dataset, format(aside, about), output, split, progress)
        aside.replace(target)
    except OSError as error:
        raise ImagemillError(f"{target}: cannot be written ({error.strerror}); nothing is left of it") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return {"format": to, "path": str(target), "version": dataset.version["version"], "rows": rows}


def _write(
    dataset: Dataset, writer: Writer, output: str | None, split: str | None, progress: Callable[[int], object]
) -> dict[str, int]:
    counts = dict.fromkeys(writer.about.splits, 0)
    for name in counts:
        for path in dataset.files(output, name):
            writer.shard(name)
            for rows in _rows(path):
                for row in rows:
                    writer.add(name, row)
                counts[name] += len(rows)
                progress(len(rows))
    writer.close()
    return counts


def _about(dataset: Dataset, output: str | None, split: str | None) -> About:
    splits = sorted({entry["split"] for entry in dataset.entries(output, split) if entry["rows"]})
    schema = dataset.schemas[output or dataset.outputs[0]]
    version = dataset.version
    objects = schema.field("objects").type.value_type if "objects" in schema.names else []
    kinds = Kinds.read(version["kinds"])
    has_points = any(field.name == "keypoints" for field in objects)
    return About(
        columns=tuple(name for name in schema.names if name not in ("image", "mask")),
        vectors=tuple(field.name for field in schema if pa.types.is_fixed_size_list(field.type)),
        classes=tuple(version["classes"]),
        categories=tuple(version["categories"]),
        splits=tuple(splits),
        images="image" in schema.names,
        objects=frozenset(field.name for field in objects),
        masks="mask" in schema.names,
        key_points=kinds.key_points if has_points else (),
        pairs=kinds.pairs,
        schema=schema,
        info={"description": f"{dataset.store.name}, version {version['version']}", "version": "1.0"},
    )


def _rows(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Read a shard a few rows at a time."""
    with whole(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            columns = [_values(batch.column(field.name), field) for field in batch.schema]
            yield [dict(zip(batch.schema.names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(column: pa.Array, field: pa.Field) -> list[Any]:
    """Give a column's values: vectors as arrays, in their shape where they have one."""
    if not pa.types.is_fixed_size_list(field.type):
        return [shortest(value, field.type) for value in column.to_pylist()]
    return [value_of(value, field) for value in column]


def shortest(value: Any, kind: pa.DataType) -> Any:
    """Give a value with every float32 in it as the shortest float that reads back the same."""
    if value is None or not (pa.types.is_nested(kind) or pa.types.is_float32(kind)):
        return value
    if pa.types.is_float32(kind):
        return numbers([value])[0]
    if pa.types.is_struct(kind):
        return {field.name: shortest(value[field.name], field.type) for field in kind}
    return [shortest(one, kind.value_type) for one in value]
