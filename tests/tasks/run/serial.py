"""A run without a scheduler: the same steps that the flow takes, one after the other, for tests of what they make."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.pipeline.graph import build
from tasks.pipeline.spec import read
from tasks.run.commit import is_news, version_of
from tasks.run.make import Unit, make
from tasks.run.run import ROUNDS, Run
from tasks.run.seal import seal
from tasks.store.local import Store


@dataclass
class Ran:
    """What a serial run did."""

    version: dict[str, Any]
    made: int
    again: int
    sealed: list[str]
    committed: bool


def serial(
    file: Path,
    name: str,
    output: Path | Store,
    *,
    order: Callable[[list[Unit]], Iterable[Unit]] = list,
    threads: int = 2,
    fresh: bool = False,
    limit: int | None = None,
    read_all: bool = False,
    refit: bool = False,
) -> Ran:
    """Run a pipeline; ``order`` may turn the units around."""
    graph = build(read(file).pipeline(name))
    store = output if isinstance(output, Store) else Store(output)
    with store.locked():
        run = Run.start(graph, graph.spec.source, store, limit, fresh, read_all, refit)
        run.refuse_shrunk()
        run.resume()
        units = list(run.missing(threads))
        run.absorb(make(unit, run.job).path for unit in order(units))
        run.decide()
        run.fit()
        again: list[Unit] = []
        for _ in range(ROUNDS):
            found = list(run.missing_again(threads))
            if not found:
                break
            run.absorb(make(unit, run.job).path for unit in found)
            run.decide()
            again += found
        entries: list[Any] = []
        sealed = []
        for shard in run.shards():
            entry = run.lies_there(shard)
            if entry is None:
                entry = seal(shard, run.job)
                sealed.append(entry.path)
            entries.append(entry)
        version = version_of(run, entries, "test")
        committed = is_news(version, run.version)
        if committed:
            store.commit(version)
            store.show(version)
            store.clear_staging()
        else:
            run.remember()
            store.clear_staging()
        run.listing.close()
    made, once_more = (sum(unit.sources.num_rows for unit in some) for some in (units, again))
    return Ran(version, made, once_more, sealed, committed)


def files(output: Path) -> dict[str, str]:
    """Give the SHA-256 of every file that a reader sees, by its path in the dataset."""
    found = [
        path for folder in output.iterdir() if not folder.name.startswith(".") for path in folder.glob("*.parquet")
    ]
    return {str(p.relative_to(output)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(found)}
