"""One run's state, a step at a time: listed, missing, staged, decided, sealed. Who runs the units is another's."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.errors import ImagemillError, RequestError
from tasks.load.source import SourceSpec
from tasks.operation import canonical_json
from tasks.pipeline.graph import Graph
from tasks.run.against import compared, foreign_rows
from tasks.run.classes import refuse_unfit, with_copies
from tasks.run.decide import Verdicts
from tasks.run.discover import Listing, opened
from tasks.run.fits import Fit, fitted, known_fits, pins
from tasks.run.job import Job, Stage
from tasks.run.make import Unit
from tasks.run.partners import Ring
from tasks.run.prior import INDEX, Prior, known, under, usable_mask
from tasks.run.ring import Around, Rings, described
from tasks.run.seal import Shard, folder_of
from tasks.run.todo import Missing, counts, missing, unit_sources, units
from tasks.run.verdicts import Fates, fates, judge
from tasks.store import staging
from tasks.store.keys import ALL, Keys, covering, keys_of, leading
from tasks.store.local import Store, staging_folder
from tasks.store.staging import Staged
from tasks.store.tree import DEPTH, grow, histogram

SHRINK = 0.2  # a run that lost more of its known sources than this fails: a lost mount must not empty a dataset
SHRINK_FROM = 50

ROUNDS = 8  # of making again: a keeper that cannot be made leaves its place to a duplicate, made in the next round

CONTENT = ("steps", "outputs", "partition")  # of a frozen pipeline: what a version's content depends on

Group = tuple[str, str | None]  # a split, and a partition where the pipeline names one


def refuse_another(name: str, version: Mapping[str, Any] | None, store: Store, fresh: bool) -> None:
    """Raise where a dataset holds what another pipeline made: one would replace the other, to and fro."""
    if version is not None and version["name"] != name and not fresh:
        raise RequestError(
            f"{store.root} holds what the pipeline {version['name']} made; {name} would replace it: name another "
            "--output, or say --fresh to replace it (or if the pipeline was renamed); `imagemill rollback` goes back"
        )


@dataclass
class Run:
    """A run over a listing, on top of the version before it. Its methods are called in the order they stand here."""

    job: Job
    store: Store
    listing: Listing
    version: Mapping[str, Any] | None
    fresh: bool = False
    read_all: bool = False
    fits: dict[str, Fit] = field(default_factory=dict)
    staged: list[tuple[Staged, int]] = field(default_factory=list)
    fates: Mapping[str, Fates] = field(default_factory=dict)
    decisions: pa.Table | None = None
    flags: pa.Table | None = None
    against: dict[str, dict[str, Any]] = field(default_factory=dict)  # the datasets that steps compare with
    _rings: dict[bool, Rings] = field(default_factory=dict)  # before and after the decisions
    _found: list[Staged] = field(default_factory=list)  # what a killed run left, usable or not

    @classmethod
    def start(
        cls,
        graph: Graph,
        source: SourceSpec,
        store: Store,
        limit: int | None = None,
        fresh: bool = False,
        read_all: bool = False,
        refit: bool = False,
        spill: Path | None = None,
    ) -> Run:
        """List the source and put the run on top of the dataset's newest version.

        ``fresh`` forgets what is known; ``read_all`` reads every source again, whatever its size and etag say;
        ``refit`` forgets what fitted steps were fitted to. A long listing lies in ``spill`` while it is sorted (in the
        dataset, which must be locked then).
        """
        spec = graph.spec
        version = store.latest()
        refuse_another(spec.name, version, store, fresh)
        fits = known_fits(graph, None if fresh or refit else version)
        against = compared(graph, store)
        listing = Listing.read(opened(graph, source), graph, spill or store.path("listing"), limit)
        variables = tuple(sorted(spec.variables.items()))
        refuse_unfit(graph, listing)
        frozen = canonical_json(with_copies(graph, listing, None if fresh or refit else version))
        folder = str(spec.folder)
        job = Job(frozen, folder, variables, source, listing.contents, str(store.root), pins(fits))
        return cls(job, store, listing, version, fresh, read_all, fits, against=against)

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
        same = same and version.get("against", {}) == self.against
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
        """Take up what a killed run left staged, or remove it under ``fresh``; give how many files."""
        folder = staging_folder(self.store.root)
        if self.fresh:
            self.store.clear_staging()
            folder.mkdir(parents=True, exist_ok=True)
        self._found = staging.staged(folder)
        self._use(self._found)
        return len(self.staged)

    def foresee(self) -> None:
        """See what ``resume`` would take up, and leave it there: a run may be writing beside it."""
        self._found = [] if self.fresh else staging.sorted_out(staging_folder(self.store.root))[0]
        self._use(self._found)

    def _use(self, found: Iterable[Staged]) -> None:
        """Take up what of staged files counts at this stage."""
        self.staged = [(one, mask) for one in found if (mask := usable_mask(one, self.stage))]

    def absorb(self, paths: Iterable[str]) -> None:
        """Take up newly staged files."""
        self.staged += [(Staged(Path(path)), self.stage.every) for path in paths]

    def missing(self, threads: int) -> Iterator[Unit]:
        """Give the units that make what is neither in the version before nor staged: before the decisions."""
        for plan in self.plans():
            yield from self._units(plan, threads)

    def plans(self) -> Iterator[Missing]:
        """Give what is missing before the decisions, leaf by leaf."""
        for prefix in self.listing.leaves:
            fate = self._fate(prefix)
            judge(self.stage, fate, {})
            yield self._plan(prefix, fate, decided=False)

    def missing_again(self, threads: int) -> Iterator[Unit]:
        """Give the units that make what the decisions kept and nobody has made: usually none."""
        for prefix in self.listing.leaves:
            yield from self._units(self._plan(prefix, self.fates[prefix], decided=True), threads)

    def _units(self, plan: Missing, threads: int) -> Iterator[Unit]:
        at_most = unit_sources(int(plan.read.sum()) * max(1, len(self.listing.leaves)), threads)
        yield from units(self.stage, plan, at_most)

    def _plan(self, prefix: str, fate: Fates, decided: bool) -> Missing:
        index = None if self.read_all and not decided else self.prior.index(prefix)
        around = self._around(prefix, fate, decided)
        return missing(self.prior, self.listing.leaf(prefix), fate, index, decided, around)

    def ring(self, prefix: str) -> Ring | None:
        """Give the rings around a leaf's sources, to look at them without a run; nothing where nothing mixes."""
        around = self._around(prefix, self._fate(prefix), decided=False)
        return Ring(around, self.job) if around else None

    def _around(self, prefix: str, fate: Fates, decided: bool) -> Around | None:
        """Give who comes after each source of a leaf, as far as they are known by now; nothing where nothing mixes."""
        if not self.stage.mixing:
            return None
        if decided not in self._rings:
            leaves = ((one, self.fates[one] if decided else self._fate(one)) for one in self.listing.leaves)
            told = ((one, described(self.listing.leaf(one), known.measures)) for one, known in leaves)
            self._rings[decided] = Rings.of(told)
        return self._rings[decided].around(prefix, described(self.listing.leaf(prefix), fate.measures))

    def _fate(self, prefix: str) -> Fates:
        leaf = self.listing.leaf(prefix)
        table = known(self.prior.measures(prefix), keys_of(leaf.column("key")), self.staged, self.stage)
        return fates(leaf, table, self.stage.graph.spec.source.frames == "all")

    def decide(self) -> None:
        """Decide on all rows, now that all are measured."""
        foreign = foreign_rows(self.stage.graph, self.store)
        verdicts = Verdicts(self.stage, self.listing.leaves, self._fate, foreign)
        verdicts.decide()
        self.fates = verdicts
        self._rings.clear()
        self.decisions, self.flags = verdicts.decisions, verdicts.flags

    def fit(self) -> None:
        """Fit the steps that wait for it on the rows that stay, and decide again, now that all steps can run."""
        if not self.stage.graph.waiting:
            return
        self.fits = {**self.fits, **fitted(self.stage.graph, self.fates)}
        self.job = replace(self.job, fits=pins(self.fits))
        self.__dict__.pop("prior", None)
        found = set(self._found)
        made = [one for one, _ in self.staged if one not in found]
        self._use([*self._found, *made])
        self.decide()

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
            sources = zip(leaf.column("size").to_pylist(), leaf.column("label").to_pylist(), strict=True)
            expected = [output.expected_bytes(size, label) for size, label in sources]
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
        mixed = ["partners"] if self.stage.mixing else []
        table = fate.measures.select(["key", "frame", "sha256", "digest", *mixed]).take(pa.array(kept))
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
        mixed = ["partners"] if self.stage.graph.mixes(self.stage.graph.output(name)) else []
        for row in table.select(["key", "frame", "sha256", "digest", "rows", *mixed]).to_pylist():
            sha.update(row["key"] + row["sha256"] + row["digest"] + row["frame"].to_bytes(4, "big"))
            sha.update(row["rows"].to_bytes(4, "big") + (row.get("partners") or b""))
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
        if found is None or not self.store.holds(found):
            return None
        folder = folder_of(self.stage.graph, shard.output)
        return {**found, "path": f"{folder}/{found['path'].split('/', 1)[1]}"}

    def remember(self) -> None:
        """Save what was last read of each source, where nothing is committed: it is not read again next time."""
        folder = self.store.path("index")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for prefix, fate in self.fates.items():
            pq.write_table(fate.measures.select(INDEX.names).cast(INDEX), folder / f".{prefix}.tmp")
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
