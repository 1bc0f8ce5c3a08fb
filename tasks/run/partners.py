"""Partners: the images that one is mixed with, read and taken as far as the step that mixes them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tasks.errors import Rejected
from tasks.image.sample import Other, Sample
from tasks.run.job import Job
from tasks.run.look import Looker
from tasks.run.ring import ALL_THERE_ARE, NEXT, Around, digest
from tasks.store.keys import row_id

HELD: Final = 128_000_000  # bytes of pixels that wait for the next image that is mixed with the same one

Found = tuple[bytes | None, Sample | None]  # the hash, and the image, unless it is rejected on the way


class Partners:
    """Reads images that others are mixed with, and keeps the last ones: neighbours have the same partners."""

    def __init__(self, job: Job) -> None:
        self.looker = Looker(job)
        self.held: OrderedDict[tuple[str, str], Found] = OrderedDict()

    def read(self, source: Mapping[str, Any], step: str) -> Found:
        """Take a source's first frame, as the listing describes it, through the steps before ``step``."""
        place = source["uri"], step
        if place not in self.held:
            self.held[place] = self._read(source, step)
        self.held.move_to_end(place)
        while len(self.held) > 1 and sum(map(_bytes, self.held.values())) > HELD:
            self.held.popitem(last=False)
        return self.held[place]

    def _read(self, source: Mapping[str, Any], step: str) -> Found:
        seen = self.looker.look(source)
        if seen.course is None:
            return seen.sha256, None
        seen.course.alone = True
        sample = seen.course.union(seen.course.graph.nodes[step].needs).get("")
        return seen.sha256, replace(sample.settled(), file=None, features={}) if sample is not None else None


def _bytes(found: Found) -> int:
    return int(found[1].base.pixels.nbytes) if found[1] is not None else 0


def parent(source: Mapping[str, Any], sha256: bytes) -> dict[str, Any]:
    """Give what the lineage says of an image that was mixed in."""
    return {"id": row_id(source["key"]), "uri": source["uri"], "sha256": sha256.hex()}


@dataclass
class Near:
    """What comes after one source in its ring; ``tried`` remembers which were looked at."""

    partners: Partners
    near: Sequence[Mapping[str, Any]]  # rows of ``Around.others``
    hashes: list[bytes | None]
    tried: int = 0

    def find(self, sample: Sample, path: str, count: int) -> list[Other]:
        """Give the next images that pass the steps before; each copy begins further on, so that copies differ."""
        step, there = path.partition("/")[0], len(self.near)
        found: list[Other] = []
        self.tried |= ALL_THERE_ARE if there < NEXT else 0
        for n in range(there):
            i = ((sample.copy - 1) * count + n) % there
            other = self._look(i, step)
            if other is not None:
                found.append(other)
            if len(found) == count:
                return found
        raise Rejected(
            "no_partner",
            f"{path} needs {count} other images of this split, and {len(found)} of the {there} next ones can be used",
        )

    def _look(self, i: int, step: str) -> Other | None:
        self.tried |= 1 << i
        if self.near[i]["skip"]:
            return None
        source = self.near[i]["source"]
        self.hashes[i], sample = self.partners.read(source, step)
        return Other(sample, parent(source, self.hashes[i] or b"")) if sample is not None else None

    def columns(self) -> dict[str, Any]:
        """Give what the measures say of those that were looked at."""
        known = zip(self.near, self.hashes, strict=True)
        rows = [(one["key"], sha256, one["digest"]) for one, sha256 in known]
        return {"tried": self.tried, "partners": digest(self.tried, rows, len(rows))}


class Ring:
    """The rings around sources, with what reads those in them."""

    def __init__(self, around: Around, job: Job) -> None:
        self.partners = Partners(job)
        self.around = around

    def near(self, source: int) -> Near:
        """Give what comes after one of the sources."""
        one = self.around.of([source])
        rows = one.others.to_pylist()
        near = [rows[place] for place in one.places[0]]
        return Near(self.partners, near, [None] * len(near))


@dataclass
class Recorded:
    """The images that a row's lineage names: ``draws`` are the params of each step, ``listed`` the listing by URI.

    They are of the row's own ``split``.
    """

    partners: Partners
    draws: Mapping[str, Mapping[str, Any]]
    listed: Mapping[str, Mapping[str, Any]]
    split: str

    def find(self, sample: Sample, path: str, count: int) -> list[Other]:
        """Give the images as they were recorded, unless one is no more what it was."""
        return [self._other(one, path) for one in self.draws.get(path, {}).get("parents", [])]

    def columns(self) -> dict[str, Any]:
        """Give nothing: what is made again is not measured."""
        return {}

    def _other(self, one: Mapping[str, Any], path: str) -> Other:
        source = self.listed.get(one["uri"])
        if source is None or source["label"] not in (None, *self.partners.looker.plan.contents.classes):
            raise Rejected("no_partner", f"{one['uri']} is gone from the source, or of a class that was not there")
        sha256, sample = self.partners.read({**source, "split": self.split}, path.partition("/")[0])
        if sample is None or sha256 is None or sha256.hex() != one["sha256"]:
            raise Rejected("no_partner", f"{one['uri']} has changed since it was mixed in")
        return Other(sample, parent(source, sha256))
