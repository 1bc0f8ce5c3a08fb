"""What is still to be made: for each source of a leaf, which artifacts are missing, and the units that make them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.load.containers import as_they_lie
from tasks.run.job import Stage
from tasks.run.make import MEASURES, Unit
from tasks.run.prior import IN_VERSION, Prior
from tasks.run.ring import RETRIED, Around, unlike
from tasks.run.verdicts import Fates, Flags
from tasks.store.keys import KEY, keys_of, match

UNIT_SOURCES = 512
UNIT_BYTES = 256_000_000
LEAST_SOURCES = 16

Masks = NDArray[np.int64]


@dataclass(frozen=True)
class Missing:
    """One leaf's plan: for each source the mask of what is missing if its bytes are as they were, and who is read."""

    leaf: pa.Table
    known: pa.Table
    places: NDArray[np.int64]  # of each source's first row in ``known``, or -1
    masks: Masks
    read: Flags
    touched: Flags  # known, but their size or etag is another, or cannot be told
    told: Flags  # known, but what is said of them (label, annotations, columns) is another
    mixed: Flags  # known, but mixed with others than those that would be looked at today
    around: Around | None  # who comes after each source, where images are mixed


def missing(
    prior: Prior, leaf: pa.Table, fate: Fates, index: pa.Table | None, decided: bool, around: Around | None = None
) -> Missing:
    """Compare a leaf's listing with what is known of its sources.

    ``fate`` holds the known rows and which of them are still wanted. Until this run has ``decided``, what the version
    before dropped is not made. Without an ``index``, every source is read again, whatever its size and etag say.
    """
    known = fate.measures
    places = match(keys_of(leaf.column("key")), keys_of(known.column("key")))
    masks = np.full(leaf.num_rows, prior.stage.every, dtype=np.int64)
    read = np.ones(leaf.num_rows, dtype=bool)
    touched, told, mixed = (np.zeros(leaf.num_rows, dtype=bool) for _ in range(3))
    rows = np.flatnonzero(places >= 0)
    if len(rows):
        there = places[rows]
        others = unlike(around, leaf, known)
        mixed[rows] = others[there]
        masks[rows] = _masks(prior, fate, decided, others)[there]
        said = keys_of(leaf.column("digest"))[rows] == keys_of(known.column("digest"))[there]
        told[rows] = ~said
        masks[told] = prior.stage.every
        if not decided:  # all that had to be read for a change has been read by then
            touched[rows] = index is None or _changed(leaf, known, index)[rows]
        read[rows] = touched[rows] | (masks[rows] != 0)
    return Missing(leaf, known, places, masks, read, touched, told, mixed, around)


def _changed(leaf: pa.Table, known: pa.Table, index: pa.Table) -> Flags:
    """Say which sources' size or etag differ from when they were last read, or cannot be told."""
    keys = keys_of(leaf.column("key"))
    changed = np.ones(leaf.num_rows, dtype=bool)
    # An index row counts for the bytes that are known, not for those of an older version.
    places = match(keys_of(index.column("key")), keys_of(known.column("key")))
    hashes = known.column("sha256").to_pylist()
    read = index.column("sha256").to_pylist()
    current = [place >= 0 and hashes[place] == sha for place, sha in zip(places.tolist(), read, strict=True)]
    index = index.filter(pa.array(current, pa.bool_()))
    for table in (index, known.select(["key", "size", "etag"])):
        places = match(keys, keys_of(table.column("key")))
        rows = np.flatnonzero(places >= 0)
        before = table.take(pa.array(places[rows]))
        size = _values(leaf.column("size"))[rows] == _values(before.column("size"))
        etags = _values(leaf.column("etag"))[rows]
        changed[rows] &= ~(size & (etags == _values(before.column("etag"))) & (etags != ""))
    return changed


def _values(column: pa.ChunkedArray) -> NDArray[Any]:
    return np.asarray(column.to_numpy(zero_copy_only=False))


def counts(known: pa.Table, name: str, outputs: int) -> NDArray[np.int64]:
    """Give ``rows`` or ``origin`` as a matrix: a row a known row, a column an output."""
    values = known.column(name).combine_chunks()
    flat = values.flatten() if not isinstance(values, pa.ChunkedArray) else pa.concat_arrays(values.chunks).flatten()
    return np.asarray(flat.to_numpy(zero_copy_only=False), dtype=np.int64).reshape(known.num_rows, outputs)


def _masks(prior: Prior, fate: Fates, decided: bool, unlike: Flags) -> Masks:
    """Give what is missing of each known row, if its bytes are as they were.

    ``unlike`` are those that were mixed with others than today's: all outputs that mix are made again together.
    """
    stage, known = prior.stage, fate.measures
    outputs = stage.graph.outputs
    made, origin = counts(known, "rows", len(outputs)), counts(known, "origin", len(outputs))
    left_before = np.array([prior.dropped.get(name, "") for name in fate.ids], dtype=object)
    masks = np.zeros(known.num_rows, dtype=np.int64)
    for i, output in enumerate(outputs):
        in_version = origin[:, i] == IN_VERSION
        left = in_version & np.isin(left_before, list(output.ancestors))
        wanted = fate.union(output.spec.sources)
        wanted = wanted if decided else wanted & ~left
        stale = in_version & (not prior.current[output.name])
        mixed = unlike & bool(stage.mixing >> (i + 1) & 1)
        masks |= np.where(wanted & ((made[:, i] < 0) | stale | left | mixed), 1 << (i + 1), 0)
    masks |= np.where(masks & stage.mixing, stage.mixing, 0)
    masks &= stage.every
    for name in stage.measured:
        nulls = np.asarray(known.column(name).is_null().to_numpy(), dtype=bool)
        masks |= np.where((masks != 0) & nulls, MEASURES, 0)
    masks[~_values(known.column("measured")).astype(bool)] = stage.every
    failure = known.column("failure")
    ready = [i for i in range(len(outputs)) if stage.every >> (i + 1) & 1]
    behind = not all(prior.current[name] for name in ("measures", *(outputs[i].name for i in ready)))
    for row in np.flatnonzero(_values(failure.is_valid()).astype(bool)).tolist():
        stale = not decided and behind and (origin[row, ready] == IN_VERSION).any()
        retry = not decided and (origin[row] == IN_VERSION).all() and failure[row].as_py()["reason"] in RETRIED
        masks[row] = stage.every if stale or retry or unlike[row] else masks[row] & 0
    return _by_source(masks, keys_of(known.column("key")))


def _by_source(masks: Masks, keys: Any) -> Masks:
    """Give all frames of a source the mask of any: a source is read whole."""
    if not len(keys):
        return masks
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    joined = np.bitwise_or.reduceat(masks, starts)
    return np.repeat(joined, np.diff(np.concatenate([starts, [len(keys)]])))


def unit_sources(sources: int, threads: int) -> int:
    """Give how many sources a unit has at most: few enough that all threads end together."""
    return min(UNIT_SOURCES, max(LEAST_SOURCES, sources // (8 * threads)))


def units(stage: Stage, plan: Missing, at_most: int) -> Iterator[Unit]:
    """Cut a leaf's missing sources into units of neighbours: at most ``at_most`` sources and 256 MB listed.

    Neighbours by key, or as they lie in a container, which is then read forwards. A unit's sources are sorted by key.
    """
    rows = np.flatnonzero(plan.read)
    if not len(rows):
        return
    listed = plan.leaf.select(["uri", "etag", "size"]).take(pa.array(rows))
    order = as_they_lie(listed.column("uri").to_pylist(), listed.column("etag").to_pylist())
    rows, sizes = rows[order], np.maximum(0, _values(listed.column("size")))[order]
    start = 0
    while start < len(rows):
        fits = int(np.searchsorted(np.cumsum(sizes[start : start + at_most]), UNIT_BYTES, side="right"))
        end = min(len(rows), start + max(1, min(at_most, fits)))
        own = np.sort(rows[start:end])
        table = _described(stage, plan, own)
        first = table.column("key")[0].as_py().hex()[:12]
        around = plan.around.of(own.tolist()) if plan.around else None
        yield Unit(f"{first}+{end - start}", table, around)
        start = end


def _described(stage: Stage, plan: Missing, rows: NDArray[np.int64]) -> pa.Table:
    """Give the sources to read with the mask, and with what is known: the hash and the measures."""
    table = plan.leaf.take(pa.array(rows))
    there = pa.array([None if place < 0 else place for place in plan.places[rows].tolist()], pa.int64())
    for field in plan.known.select(["sha256", *stage.measured]).schema:
        known = plan.known.column(field.name)
        values = known.take(there) if plan.known.num_rows else pa.nulls(len(rows), field.type)
        table = table.append_column(field.name if field.name != "sha256" else pa.field("sha256", KEY), values)
    return table.append_column("mask", pa.array(plan.masks[rows], pa.int64()))
