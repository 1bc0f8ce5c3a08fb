"""One run's state, a step at a time: listed, missing, staged, decided, sealed. Who runs the units is another's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.errors import ImagemillError, RequestError
from tasks.load.source import SourceSpec, open_source
from tasks.operation import canonical_json
from tasks.pipeline.graph import Graph
from tasks.run.discover import Listing
from tasks.run.job import Job, Stage
from tasks.run.make import Unit
from tasks.run.prior import INDEX, Prior, known, under, usable_mask
from tasks.run.seal import Shard, folder_of
from tasks.run.todo import counts, missing, unit_sources, units
from tasks.run.verdicts import Fates, fates, judge
from tasks.store import staging
from tasks.store.keys import ALL, Keys, covering, keys_of, leading
from tasks.store.local import Store, staging_folder
from tasks.store.staging import Staged
from tasks.store.tree import DEPTH, grow, histogram

SHRINK = 0.2  # a run that lost more of its known sources than this fails: a lost mount must not empty a dataset
SHRINK_FROM = 50

CONTENT = ("steps", "outputs", "partition")  # of a frozen pipeline: what a version's content depends on

Group = tuple[str, str | None]  # a split, and a partition where the pipeline names one


@dataclass
class Run:
    """A run over a listing, on top of the version before it. Its methods are called in the order they stand here."""

    job: Job
    store: Store
    listing: Listing
    version: Mapping[str, Any] | None
    fresh: bool = False
    read_all: bool = False
    staged: list[tuple[Staged, int]] = field(default_factory=list)
    fates: dict[str, Fates] = field(default_factory=dict)
    decisions: pa.Table | None = None

    @classmethod
    def start(
        cls,
        graph: Graph,
        source: SourceSpec,
        store: Store,
        limit: int | None = None,
        fresh: bool = False,
        read_all: bool = False,
    ) -> Run:
        """List the source and put the run on top of the dataset's newest version.

        ``fresh`` forgets what is known; ``read_all`` reads every source again, whatever its size and etag say.
        """
        spec = graph.spec
        listing = Listing.read(open_source(source), graph, store.path("listing"), limit)
        variables = tuple(sorted(spec.variables.items()))
        frozen, folder = canonical_json(spec.frozen), str(spec.folder)
        job = Job(frozen, folder, variables, source, listing.contents, str(store.root))
        return cls(job, store, listing, store.latest(), fresh, read_all)

    @property
    def stage(self) -> Stage:
        """The graph with the schemas and fingerprints of its artifacts."""
        return self.job.stage

    def is_unchanged(self) -> bool:
        """Say whether nothing is left to do: the same pipeline over the same listing, all made, none deleted."""
        version = self.version
        if version is None or self.fresh or self.staged:
            return False
        frozen = {name: value for name, value in version["pipeline"].items() if name in CONTENT}
        now = {name: value for name, value in self.stage.graph.spec.frozen.items() if name in CONTENT}
        listed = sum(entry["sources"] for entry in version["measures"])
        same = frozen == now and version["fingerprints"] == self.stage.fingerprints
        return same and listed == self.listing.sources and next(self.missing(1), None) is None

    @cached_property
    def prior(self) -> Prior:
        """What is known from the version before; nothing under ``fresh``."""
        return Prior(self.store, None if self.fresh else self.version, self.stage)

    def refuse_shrunk(self) -> None:
        """Raise where the source is empty, another one, or lost much of what was known: a mount may be gone."""
        root = self.listing.source.root
        if not self.listing.sources:
            raise ImagemillError(f"{root}: there is nothing in it; check the path and the mount, or say --allow-shrink")
        if self.version is None:
            return
        if self.version["source"] != root:
            raise RequestError(
                f"{self.store.root} was made from {self.version['source']}, this run reads {root}; "
                "name another --output, or say --allow-shrink if the collection has moved"
            )
        before = sum(entry["sources"] for entry in self.version["measures"])
        if before >= SHRINK_FROM and self.listing.sources < before * (1 - SHRINK):
            raise ImagemillError(
                f"{root}: {self.listing.sources} sources, the version before had {before}; "
                "check the mount, or say --allow-shrink"
            )

    def resume(self) -> int:
        """Take up what a killed run left staged; give how many files."""
        for one in staging.staged(staging_folder(self.store.root)):
            if mask := usable_mask(one, self.stage):
                self.staged.append((one, mask))
        return len(self.staged)

    def absorb(self, paths: Iterable[str]) -> None:
        """Take up newly staged files."""
        self.staged += [(Staged(Path(path)), self.stage.every) for path in paths]

    def missing(self, threads: int) -> Iterator[Unit]:
        """Give the units that make what is neither in the version before nor staged: before the decisions."""
        for prefix in self.listing.leaves:
            fate = self._fate(prefix)
            judge(self.stage, {prefix: fate}, deciding=())
            yield from self._units(prefix, fate, threads, decided=False)

    def missing_again(self, threads: int) -> Iterator[Unit]:
        """Give the units that make what the decisions kept and nobody has made: usually none."""
        for prefix in self.listing.leaves:
            yield from self._units(prefix, self.fates[prefix], threads, decided=True)

    def _units(self, prefix: str, fate: Fates, threads: int, decided: bool) -> Iterator[Unit]:
        leaf = self.listing.leaf(prefix)
        index = None if self.read_all and not decided else self.prior.index(prefix)
        plan = missing(self.prior, leaf, fate, index, decided)
        at_most = unit_sources(int(plan.read.sum()) * max(1, len(self.listing.leaves)), threads)
        yield from units(self.stage, plan, at_most)

    def _fate(self, prefix: str) -> Fates:
        leaf = self.listing.leaf(prefix)
        table = known(self.prior.measures(prefix), keys_of(leaf.column("key")), self.staged, self.stage)
        return fates(leaf, table, self.stage.graph.spec.source.frames == "all")

    def decide(self) -> None:
        """Decide on all rows, now that all are measured."""
        self.fates = {prefix: self._fate(prefix) for prefix in self.listing.leaves}
        self.decisions = judge(self.stage, self.fates, deciding=self.stage.graph.datasets)

    def shards(self) -> Iterator[Shard]:
        """Give every shard of every output with what it must hold, in order of output, split and prefix."""
        for i, output in enumerate(self.stage.graph.outputs):
            rows = {prefix: self._promised(i, fate) for prefix, fate in self.fates.items()}
            sealed = 0
            for group in self._groups():
                for prefix in self._tree(output.name, group):
                    shard = self._shard(i, group, prefix, rows)
                    if shard.promised.num_rows:
                        sealed += 1
                        yield shard
            if not sealed:  # an output without rows still opens, with its schema
                yield self._shard(i, ("train", None), ALL, rows)

    def _groups(self) -> list[Group]:
        """Give the splits, and the partitions within each: every one has its own tree."""
        found: set[Group] = set()
        for fate in self.fates.values():
            pairs = fate.leaf.select(["split", "partition"]).group_by(["split", "partition"]).aggregate([])
            found |= set(zip(pairs.column("split").to_pylist(), pairs.column("partition").to_pylist(), strict=True))
        return sorted(found, key=lambda group: (group[0], group[1] or ""))

    def _tree(self, name: str, group: Group) -> list[str]:
        output = self.stage.graph.output(name)
        cells, weighed = np.zeros(1 << DEPTH, dtype=np.int64), {}
        for prefix in self.listing.leaves:
            leaf = _of_group(self.listing.leaf(prefix), group)
            heads = leading(keys_of(leaf.column("key")))
            expected = [output.expected_bytes(size) for size in leaf.column("size").to_pylist()]
            weighed[prefix] = (heads, np.array(expected, dtype=np.int64))
            cells += histogram(*weighed[prefix])

        def inside(cell: str) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
            heads, weights = (np.concatenate(parts) for parts in zip(*weighed.values(), strict=True))
            here = heads >> np.uint64(64 - len(cell)) == np.uint64(int(cell, 2))
            return heads[here], weights[here]

        return grow(cells, output.spec.shard, inside)

    def _promised(self, i: int, fate: Fates) -> pa.Table:
        """Give what an output must hold of a leaf: a row a source that is kept, with what its rows depend on."""
        rows = fate.rows_in(self.stage.graph, i)
        kept = np.flatnonzero(rows > 0)
        table = fate.measures.select(["key", "frame", "sha256", "digest"]).take(pa.array(kept))
        origin = counts(fate.measures, "origin", len(self.stage.graph.outputs))[kept, i]
        table = table.append_column("rows", pa.array(rows[kept], pa.int64()))
        table = table.append_column("origin", pa.array(origin, pa.int64()))
        for column in ("split", "partition"):
            table = table.append_column(column, fate.leaf.column(column).take(pa.array(kept)))
        return table

    def _shard(self, i: int, group: Group, prefix: str, rows: Mapping[str, pa.Table]) -> Shard:
        name = self.stage.graph.outputs[i].name
        table = _of_group(pa.concat_tables([under(rows[leaf], prefix) for leaf in covering(rows, prefix)]), group)
        origins = np.asarray(table.column("origin").to_numpy())
        used = [int(origin) for origin in np.unique(origins) if origin >= 0]
        renumbered = np.searchsorted(np.array(used, dtype=np.int64), origins) if used else origins
        promised = _by_source(table, np.where(origins < 0, -1, renumbered))
        staged = tuple(str(self.staged[origin][0].path) for origin in used)
        return Shard(
            name, *group, prefix, self._digest(name, table), promised, staged, self._previous(name, group, prefix)
        )

    def _digest(self, name: str, table: pa.Table) -> str:
        """Give the input digest: the output's fingerprint and, in key order, all that a row depends on."""
        sha = hashlib.sha256(self.stage.fingerprints[name].encode())
        for row in table.select(["key", "frame", "sha256", "digest", "rows"]).to_pylist():
            sha.update(row["key"] + row["sha256"] + row["digest"] + row["frame"].to_bytes(4, "big"))
            sha.update(row["rows"].to_bytes(4, "big"))
        return sha.hexdigest()

    def _previous(self, name: str, group: Group, prefix: str) -> tuple[str, ...]:
        files = [f for f in self._files if (f["output"], f["split"], f["partition"]) == (name, *group)]
        there = set(covering([f["prefix"] for f in files], prefix))
        return tuple(f["object"] for f in sorted(files, key=lambda f: f["prefix"]) if f["prefix"] in there)

    @property
    def _files(self) -> list[dict[str, Any]]:
        return list(self.prior.version["files"]) if self.prior.version else []

    def lies_there(self, shard: Shard) -> dict[str, Any] | None:
        """Give the version's entry for a shard whose input is the same: it is not opened."""
        place = (shard.output, shard.split, shard.partition, shard.prefix, shard.digest)
        fields = ("output", "split", "partition", "prefix", "digest")
        found = next((f for f in self._files if tuple(f[name] for name in fields) == place), None)
        folder = folder_of(self.stage.graph, shard.output)
        return found and {**found, "path": f"{folder}/{found['path'].split('/', 1)[1]}"}

    def remember(self) -> None:
        """Save what was last read of each source, where nothing is committed: it is not read again next time."""
        for prefix, fate in self.fates.items():
            table = fate.measures.select(INDEX.names)
            folder = self.store.path("index")
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.cast(INDEX), folder / f".{prefix}.tmp")
            (folder / f".{prefix}.tmp").replace(folder / f"{prefix}.parquet")


def _of_group(table: pa.Table, group: Group) -> pa.Table:
    """Give the rows of one split and partition."""
    chosen = pc.equal(table.column("split"), group[0])
    if group[1] is not None:
        chosen = pc.and_(chosen, pc.equal(table.column("partition"), group[1]))
    return table.filter(chosen)


def _by_source(table: pa.Table, origins: NDArray[np.int64]) -> pa.Table:
    """Add up the rows of a source's frames: they are read together and lie together."""
    keys: Keys = keys_of(table.column("key"))
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)])
    rows = (
        np.zeros(0, dtype=np.int64)
        if not len(starts)
        else np.add.reduceat(np.asarray(table.column("rows").to_numpy()), starts)
    )
    return pa.table(
        {
            "key": table.column("key").take(pa.array(starts)),
            "rows": pa.array(rows, pa.int64()),
            "origin": pa.array(origins[starts], pa.int64()),
        }
    )
