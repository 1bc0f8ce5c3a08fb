"""What was delivered, as a comparison of two datasets counts it: measures, features, labels, categories, fates.

Nothing here counts copies, so that balancing hides nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.pipeline.steps import operation_of
from tasks.report.statistics import BATCH, Statistics
from tasks.store.keys import bounds, keys_of, keys_of_ids, leading
from tasks.store.schema import has_rows

Values = NDArray[np.float64]

ROWS = 20_000  # whose features are read: the smallest ids of all files, which are hashes, so a random sample
NO_LABEL = "(no label)"
ALWAYS = ("width", "height", "bytes")


def measures(one: Statistics) -> list[str]:
    """Name the measures: what checks gave, and the file's size."""
    files = one.version["measures"]
    if not files:
        return []
    schema = one.open(files[0]).schema_arrow
    return [f.name for f in schema if f.name in ALWAYS or (pa.types.is_floating(f.type) and "." not in f.name)]


def features(one: Statistics) -> list[str]:
    """Name the features of any output."""
    found = {field.name: None for name in one.outputs for field in one.schema(name) if _is_feature(field)}
    return list(found)


def _is_feature(field: pa.Field) -> bool:
    return pa.types.is_fixed_size_list(field.type) and b"components" in (field.metadata or {})


def column(one: Statistics, files: list[dict[str, Any]], name: str) -> Values:
    """Read a column of numbers from some files, without what is no finite number."""
    parts = [batch.column(0) for entry in files for batch in one.open(entry).iter_batches(BATCH, columns=[name])]
    whole = pa.chunked_array(parts, pa.float64()) if not parts else pa.chunked_array(parts).cast(pa.float64())
    values: Values = np.asarray(whole.drop_null().to_numpy())
    return np.asarray(values[np.isfinite(values)])


def _with(one: Statistics, feature: str) -> str:
    return next(name for name in one.outputs if feature in one.schema(name).names)


def components(one: Statistics, feature: str) -> list[str]:
    """Name the components of a feature's vector."""
    field = one.schema(_with(one, feature)).field(feature)
    names: list[str] = json.loads(field.metadata[b"components"])
    return names


def fits(one: Statistics, feature: str) -> dict[str, Any]:
    """Give the fitted values that a vector depends on, by step: its own, those it derives from, its picture's."""
    fits: Mapping[str, Any] = one.version.get("fits", {})
    steps = {step["id"]: step for step in one.steps}
    own, name = [], feature
    while name in steps and (of := _derived(steps[name])):
        own.append(name)
        name = of
    seen: set[str] = set()
    waiting = [name]
    while waiting:  # the steps before it, which made the picture
        before = waiting.pop()
        if before in steps and before not in seen:
            seen.add(before)
            waiting += steps[before]["needs"]
    pixels = [before for before in seen if not _derived(steps[before])]
    return {step: fits[step]["values"] for step in (*own, *pixels) if step in fits}


def _derived(step: Mapping[str, Any]) -> str | None:
    """Name the feature that a step derives its vector of, without looking at pixels; nothing where it does look."""
    of = (step.get(operation_of(step)) or {}).get("of")
    return None if of is None else str(of)


def vectors(one: Statistics, feature: str) -> Values:
    """Read a feature of the originals with the smallest ids of all files, splits and partitions, in order of ids."""
    output = _with(one, feature)
    width = one.schema(output).field(feature).type.list_size
    least: pa.Table | None = None
    for entry in sorted(one.files(output), key=lambda entry: bounds(entry["prefix"])[0]):
        last = least.column("id")[-1].as_py() if least is not None and len(least) == ROWS else None
        found = [] if least is None else [least]
        left = ROWS
        for batch in one.open(entry).iter_batches(min(BATCH, ROWS), columns=["id", "copy", feature]):
            if left <= 0 or (last is not None and pc.min(batch.column("id")).as_py() > last):
                break  # the file is sorted by id: what follows is none of the smallest
            rows = pa.Table.from_batches([batch]).filter(pc.equal(batch.column("copy"), 0)).select(["id", feature])
            found.append(rows.filter(rows.column(feature).is_valid()).slice(0, left))
            left -= len(found[-1])
        least = pa.concat_tables(found).sort_by("id").slice(0, ROWS) if found else None
    if least is None:
        return np.zeros((0, width))
    numbers = least.column(feature).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(numbers.reshape(-1, width), dtype=np.float64)


def labels(one: Statistics) -> Mapping[str, int]:
    """Count the listed images by label, kept or not and without copies, so that no balance hides what was delivered."""
    names = one.version["classes"]
    if not names:
        return {}
    found = Counter(dict.fromkeys(names, 0))
    for entry in one.version["rejected"]:
        for batch in one.open(entry).iter_batches(BATCH, columns=["label"]):
            found.update(pc.fill_null(batch.column("label"), NO_LABEL).to_pylist())
    kept = _kept_by_class(one)
    found.update({name: images for name, images in zip([*names, NO_LABEL], kept, strict=True) if images})
    return dict(found)


def _kept_by_class(one: Statistics) -> list[int]:
    """Count the kept images, each once whatever rows it has in how many outputs: of each class, then those of none."""
    keys, left = _kept(one)
    found = np.zeros(len(one.version["classes"]) + 1, dtype=np.int64)
    for output in one.outputs:
        for entry in one.files(output) if left.any() else ():
            for batch in one.open(entry).iter_batches(BATCH, columns=["id", "label"]):
                heads, at = np.unique(_heads(batch.column("id")), return_index=True)
                labels = pc.fill_null(batch.column("label"), -1).to_numpy()[at]
                places = np.searchsorted(keys, heads)
                np.add.at(found, labels, left[places])  # -1 is the last
                left[places] = 0  # counted
    return [int(images) for images in found]


def _kept(one: Statistics) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Give the sources that have rows in any output, sorted, by the first 64 bits of their keys, and their images."""
    parts = [np.zeros(0, dtype=np.uint64)]
    for entry in one.version["measures"]:
        batches = one.open(entry).iter_batches(BATCH, columns=["key", "rows"])
        parts += [leading(keys_of(batch.column("key")))[has_rows(batch)] for batch in batches]
    keys, images = np.unique(np.concatenate(parts), return_counts=True)
    return keys, images.astype(np.int64)


def _heads(ids: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    """Give the first 64 bits of the keys that ids begin with."""
    return leading(keys_of(keys_of_ids(ids)))


def categories(one: Statistics) -> Mapping[str, int]:
    """Count the boxes of kept images by category, without copies; what boxes rejected images had is not kept.

    Where no original is kept beside its copies, the first copy stands for it.
    """
    names = one.version["categories"]
    output = next((name for name in one.outputs if "objects" in one.schema(name).names), None)
    if not names or output is None:
        return {}
    found = np.zeros(len(names), dtype=np.int64)
    for entry in one.files(output):
        table = one.open(entry).read(["id", "copy", "objects.list.element.category"])
        copies = table.column("copy").to_numpy()
        sources, at = np.unique(_heads(table.column("id")), return_inverse=True)
        least = np.full(len(sources), np.iinfo(copies.dtype).max, dtype=copies.dtype)
        np.minimum.at(least, at, copies)
        objects = table.column("objects").filter(pa.array(copies == least[at]))
        boxes = pc.struct_field(pc.list_flatten(objects), "category").drop_null().to_numpy()
        found += np.bincount(boxes[(boxes >= 0) & (boxes < len(names))], minlength=len(names))
    return dict(zip(names, found.tolist(), strict=True))


def fates(one: Statistics) -> Mapping[str, int]:
    """Count the images by what became of them: kept, or a reason."""
    return {"kept": one.counts["kept"], **one.counts["reasons"]}
