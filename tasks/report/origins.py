"""What the sources still show: pictures made when the page is made, from sources that are there and unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from tasks.errors import ImagemillError
from tasks.load.listing import key
from tasks.report.pictures import data_uri
from tasks.report.preview import Cell, line, picture, shown
from tasks.report.statistics import Statistics
from tasks.run.look import Looker, Seen
from tasks.run.replay import Replayer
from tasks.run.ring import RETRIED
from tasks.store.dataset import Dataset
from tasks.store.keys import row_id

STRIPS = 3  # kept sources that are shown after every step
STRIP_COPIES = 2  # of each
STRIP_SIDE, SIDE = 120, 96  # px, the longer side
REJECTS_SHOWN = 12  # of a reason
REJECTS_READ = 48  # of all reasons: each is read and decoded
GROUPS = 6
MEMBERS = 5  # of a group, beside its keeper
ANNOTATED = 100_000  # sources: annotations are listed again for boxes in no larger collection


@dataclass(frozen=True)
class Shot:
    """One picture with what is said below it; a data URI, or nothing where the source cannot be shown."""

    name: str
    picture: str | None
    said: str = ""
    step: str = ""
    new: bool = False  # the first of its step


@dataclass(frozen=True)
class Strip:
    """A kept source after every step that touches pixels."""

    uri: str
    split: str
    shots: list[Shot]


@dataclass(frozen=True)
class Group:
    """Images that were taken for one: the keeper, and those that it was kept instead of."""

    keeper: Shot
    members: list[Shot]
    hidden: int


@dataclass
class Origins:
    """A dataset's sources, as far as they can be looked at. ``unseen`` counts those that could not, by why."""

    statistics: Statistics
    unseen: Counter[str] = field(default_factory=Counter)
    problem: str | None = None
    _known: dict[str, str | None] = field(default_factory=dict)

    @cached_property
    def looker(self) -> Looker | None:
        """What looks; nothing where the pipeline or its source cannot be opened any more."""
        try:
            replayer = Replayer(Dataset(self.statistics.store, self.statistics.version))
            annotated = self.statistics.counts["listed"] <= ANNOTATED
            self._annotations = replayer.annotations if annotated else {}
            return Looker(replayer.job)
        except (ImagemillError, OSError) as error:
            self.problem = str(error)
            return None

    @property
    def mixes(self) -> bool:
        """Whether copies are mixed of several images: strips read one source, so they show none of these."""
        return self.looker is not None and any(self.looker.plan.graph.mixing)

    @property
    def missing(self) -> str:
        """Why pictures are missing, in a sentence; empty where none is."""
        if self.problem is not None:
            return f"Pictures of sources are missing: {self.problem}"
        parts = [f"{n:,} {'is' if n == 1 else 'are'} {why}" for why, n in sorted(self.unseen.items())]
        return f"Of the sources that were to be shown here, {' and '.join(parts)} by now: no picture." if parts else ""

    def look(self, uri: str, sha256: str | None, frame: int = 0, **about: Any) -> Seen | None:
        """Look at one source, unless it is gone or has changed; ``about`` is its label, split and columns."""
        if self.looker is None:
            return None
        columns = dict.fromkeys(self.looker.plan.contents.columns.names)
        source = {"key": key(uri), "uri": uri, "annotations": self._annotations.get(uri), "label": None, "split": ""}
        try:
            seen = self.looker.look({**columns, **source, **about}, frame)
        except OSError as error:
            self.problem = f"{uri}: {error}"
            self.__dict__["looker"] = None  # the rest would fail alike, and each may take its time
            return None
        if seen.sha256 is None:
            self.unseen["gone"] += 1
        elif sha256 is not None and seen.sha256.hex() != sha256:
            self.unseen["changed"] += 1
        else:
            return seen
        return None

    def decoded(self, uri: str, sha256: str | None, frame: int = 0) -> str | None:
        """Give the thumbnail of a source as it was decoded, or nothing."""
        name = f"{uri}#{frame}"
        if name not in self._known:
            seen = self.look(uri, sha256, frame)
            start = seen.course.start if seen and seen.course else None
            output = self.looker.plan.graph.outputs[0].spec if self.looker else None
            shot = picture(start, output, SIDE) if start is not None and output is not None else None
            self._known[name] = data_uri(shot) if shot is not None else None
        return self._known[name]

    def rejects(self) -> dict[str, list[Shot]]:
        """Give the first rejected images of each reason that are decodable, with their verdicts."""
        found: dict[str, list[Shot]] = {}
        left = REJECTS_READ
        for reason in self.statistics.reasons:
            read = [row for row in reason.rows if reason.name not in RETRIED and _was_decoded(row)]
            for row in read[: min(REJECTS_SHOWN, left)]:
                left -= 1
                made = self.decoded(row["uri"], row["sha256"], row["frame"] or 0)
                found.setdefault(reason.name, []).append(Shot(row["uri"], made, row["message"] or ""))
        return {name: shots for name, shots in found.items() if any(shot.picture for shot in shots)}

    def groups(self) -> list[Group]:
        """Give the largest groups of which one image was kept instead of others."""
        made = []
        for uri, rows, images in self.statistics.kept_instead(GROUPS, MEMBERS):
            keeper = Shot(uri, self.decoded(uri, self._sha256(uri)))
            members = [Shot(r["uri"], self.decoded(r["uri"], r["sha256"], r["frame"] or 0), r["message"]) for r in rows]
            if keeper.picture or any(member.picture for member in members):
                made.append(Group(keeper, members, images - len(members)))
        return made

    def _sha256(self, uri: str) -> str | None:
        """Find what a kept source's bytes were, in the first output; nothing where a later step dropped it."""
        row = Dataset(self.statistics.store, self.statistics.version).row(row_id(key(uri), None))
        return str(row["source"]["sha256"]) if row else None

    def strips(self, rows: Iterator[dict[str, Any]]) -> list[Strip]:
        """Give the first kept rows, each taken through every step again."""
        return list(islice((strip for row in rows if (strip := self._strip(row))), STRIPS))

    def _strip(self, row: Mapping[str, Any]) -> Strip | None:
        if self.looker is None:
            return None
        source, contents = row["source"], self.looker.plan.contents
        label = row.get("label")
        about = {name: row.get(name) for name in contents.columns.names}
        about |= {"label": None if label is None else contents.classes[label], "split": row["split"]}
        seen = self.look(source["uri"], source["sha256"], source["frame"], **about)
        if seen is None or seen.course is None:
            return None
        graph = self.looker.plan.graph
        told = {**about, "uri": source["uri"], "size": source["bytes"]}
        made = line(told, seen.course, shown(graph), graph, STRIP_COPIES, STRIP_SIDE)
        return Strip(source["uri"], row["split"], _shots(made.cells))


def _shots(cells: Mapping[tuple[str, str], Cell]) -> list[Shot]:
    shots: list[Shot] = []
    for (step, row), cell in cells.items():
        if cell.picture is not None:
            name = step or "source"
            said = "; ".join(filter(None, cell.said))
            new = not shots or shots[-1].step != name
            shots.append(Shot(f"{name}{row and f', row {row}'}", data_uri(cell.picture), said, name, new))
    return shots


def _was_decoded(row: Mapping[str, Any]) -> bool:
    return row["sha256"] is not None and row["step"] not in (None, "", "load")
