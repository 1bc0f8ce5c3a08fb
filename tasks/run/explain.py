"""Explain: what a run would read, make again, reuse and write, and why, without doing any of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.operation import Check, Dataset
from tasks.run.differences import changed_steps, reasons
from tasks.run.run import Run
from tasks.run.todo import Missing
from tasks.store.keys import ALL, ID_DIGITS, Keys, keys_of, leading, match

EXAMPLES = 3  # sources named for each reason


@dataclass
class Group:
    """Sources that are read, or gone, for one reason: how many, and the first of them by key."""

    why: str
    sources: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, names: Sequence[str], count: int) -> None:
        """Take in more of them."""
        self.sources += count
        self.examples += names[: EXAMPLES - len(self.examples)]


@dataclass(frozen=True)
class Artifact:
    """The measures or an output: for how many sources it is made, and why what lies there does not count any more."""

    name: str
    state: str  # reused, made again, new
    made: int
    why: list[str]


@dataclass(frozen=True)
class Files:
    """An output's files in the version: how many a run may have to write again (a change of decisions adds to it)."""

    output: str
    files: int
    written: int
    why: list[str]


READ = {
    "new": "new",
    "told": "with another label, other annotations or columns",
    "touched": "with another size or time: read, and made again only where the bytes have changed",
    "content": "because --check content reads all: made again only where the bytes have changed",
    "fresh": "because --fresh makes everything again",
    "mixed": "to be mixed with others than before",
    "stale": "for what has changed in the pipeline",
    "wanted": "let in by what is decided anew, or tried again",
}


@contextmanager
def foreseen(start: Callable[..., Run]) -> Iterator[Run]:
    """Start a run only to look ahead: nothing is written to the dataset, which another run may hold.

    ``start`` takes ``spill``, the folder for a listing that is too long for memory.
    """
    with tempfile.TemporaryDirectory(prefix="imagemill-") as folder:
        run = start(spill=Path(folder) / "listing")
        try:
            run.foresee()
            yield run
        finally:
            run.listing.close()


def explained(run: Run) -> dict[str, Any]:
    """Say what a run that has listed and resumed would do: plain values, for ``told`` and for programs."""
    groups = {name: Group(why) for name, why in READ.items()}
    gone = Group("gone from the source")
    outputs = [output.name for output in run.stage.graph.outputs]
    made = dict.fromkeys(["measures", *outputs], 0)
    stirred: dict[str, list[Keys]] = {name: [] for name in made}
    read = 0
    for prefix, plan in zip(run.listing.leaves, run.plans(), strict=True):
        read += int(plan.read.sum())
        for name, chosen in _sorted(run, plan):
            places = np.flatnonzero(chosen)
            groups[name].add(plan.leaf.column("uri").take(pa.array(places[:EXAMPLES])).to_pylist(), len(places))
        keys = keys_of(plan.leaf.column("key"))
        lost = _lost(run, prefix, keys)
        gone.add([_name(key) for key in lost[:EXAMPLES]], len(lost))
        for i, name in enumerate(made):
            missing = (plan.masks >> i & 1 == 1) & plan.read
            made[name] += int(missing.sum())
            stirred[name] += [keys[missing | plan.touched], lost]
    for output in run.stage.graph.outputs:
        if not run.stage.graph.is_ready(output):  # made in a second pass, of what is kept
            made[output.name] = run.listing.sources
    artifacts = [_artifact(run, name, count) for name, count in made.items()]
    return {
        "version": run.version["version"] if run.version else None,
        "sources": run.listing.sources,
        "staged_files": len(run.staged),
        "to_read": read,
        "unchanged": run.is_unchanged(),
        "read": [asdict(group) for group in groups.values() if group.sources],
        "gone": asdict(gone),
        "artifacts": [asdict(one) for one in artifacts],
        "decisions": _decisions(run),
        "files": [asdict(_files(run, one, stirred[one.name])) for one in artifacts if one.name != "measures"],
    }


def _sorted(run: Run, plan: Missing) -> Iterator[tuple[str, Any]]:
    """Give the sources that are read by their first reason."""
    left = plan.read.copy()
    stale = not all(run.prior.current.values())
    by_reason = (
        ("fresh" if run.fresh else "new", plan.places < 0),
        ("told", plan.told),
        ("content" if run.read_all else "touched", plan.touched & (plan.masks == 0 if run.read_all else True)),
        ("mixed", plan.mixed & (not stale)),
        ("stale" if stale else "wanted", plan.masks != 0),
    )
    for name, flags in by_reason:
        yield name, left & flags
        left &= ~flags


def _lost(run: Run, prefix: str, listed: Keys) -> Keys:
    known = np.unique(keys_of(run.prior.measures(prefix).column("key")))
    return known[match(known, listed) < 0]


def _name(key: Any) -> str:
    return bytes(key).ljust(32, b"\0").hex()[:ID_DIGITS]


def _artifact(run: Run, name: str, made: int) -> Artifact:
    if run.version is None:
        return Artifact(name, "new", made, [])
    why = ["--fresh"] if run.fresh else reasons(run.version, run.stage, name)
    state = "new" if name not in run.version["fingerprints"] else "made again" if why else "reused"
    return Artifact(name, state, made, why)


def _decisions(run: Run) -> list[dict[str, Any]]:
    """Say of each step that judges or decides what is new about it: verdicts are taken on the measures, every run."""
    changed = changed_steps(run.version["pipeline"], run.stage.graph.spec.frozen) if run.version else {}
    return [
        {"step": node.id, "why": changed[node.id]}
        for node in run.stage.graph.nodes.values()
        if isinstance(node.operation, (Check, Dataset)) and node.id in changed
    ]


def _files(run: Run, artifact: Artifact, stirred: Sequence[Keys]) -> Files:
    """Count the version's files that hold a key that is made, may have changed or is gone; all of a stale output."""
    name = artifact.name
    files = [entry for entry in run.version["files"] if entry["output"] == name] if run.version else []
    before, now = ({o["name"]: o.get("shard") for o in frozen["outputs"]} for frozen in _frozen(run))
    resized = name in before and before[name] != now[name]
    why = [f"shard {before[name] or 'default'} -> {now[name] or 'default'}: rows are copied"] if resized else []
    keys = np.concatenate([np.zeros(0, dtype="S32"), *stirred])
    written = [entry for entry in files if artifact.why or resized or _holds(entry["prefix"], keys)]
    return Files(name, len(files), len(written), why)


def _frozen(run: Run) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    now = run.stage.graph.spec.frozen
    return (run.version["pipeline"] if run.version else {"outputs": []}), now


def _holds(prefix: str, keys: Keys) -> bool:
    if prefix == ALL:
        return bool(len(keys))
    return bool((leading(keys) >> np.uint64(64 - len(prefix)) == np.uint64(int(prefix, 2))).any())


def told(found: Mapping[str, Any]) -> list[str]:
    """Tell what was found, a line each."""
    if found["unchanged"]:
        return [f"nothing to do: unchanged since version {found['version']}"]
    lines = [f"to read: {found['to_read']:,} of {found['sources']:,} sources"]
    if found["staged_files"]:
        lines.append(f"  beside what a killed run left staged: {found['staged_files']:,} files are taken up")
    lines += [f"  {one['sources']:,} {one['why']}{_examples(one)}" for one in found["read"]]
    if found["gone"]["sources"]:
        lines.append(f"gone from the source: {found['gone']['sources']:,}{_examples(found['gone'])}")
    for one in found["artifacts"]:
        made = f"for {one['made']:,} sources" if one["made"] else "nothing to make"
        lines.append(f"{one['name']}: {one['state']}, {made}" if one["state"] != "reused" else _reused(one))
        lines += [f"  {why}" for why in one["why"]]
    for one in found["decisions"]:
        lines.append(f"{one['step']}: judged again on the measures")
        lines += [f"  {why}" for why in one["why"]]
    for one in found["files"]:
        if one["files"]:
            lines.append(f"files of {one['output']}: up to {one['written']} of {one['files']} to be written again")
            lines += [f"  {why}" for why in one["why"]]
    return lines


def _reused(one: Mapping[str, Any]) -> str:
    made = f"; made for {one['made']:,} sources" if one["made"] else ""
    return f"{one['name']}: reused{made}"


def _examples(one: Mapping[str, Any]) -> str:
    more = ", ..." if one["sources"] > len(one["examples"]) else ""
    return f" ({', '.join(one['examples'])}{more})" if one["examples"] else ""
