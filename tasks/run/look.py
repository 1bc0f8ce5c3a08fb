"""Look: one source taken through the graph exactly as make takes it, its pictures kept instead of encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.errors import Rejected
from tasks.image.sample import Sample
from tasks.run.course import Course
from tasks.run.make import Made


@dataclass(frozen=True)
class Seen:
    """A source that was looked at: its way through the graph, or the verdict where it could not be read.

    ``sha256`` is that of the bytes that were read; nothing where there were none.
    """

    course: Course | None
    verdict: Rejected | None
    sha256: bytes | None


class Looker(Made):
    """Reads, decodes and starts sources as ``Made`` does, and gives them instead of gathering rows."""

    def look(self, source: Mapping[str, Any], frame: int = 0) -> Seen:
        """Look at one frame of a source; ``source`` has the listing's columns, its split and its manifest's."""
        self._frame = frame
        self._seen: list[Seen] = []
        self.add({"size": 0, "etag": "", "digest": None, **source, "sha256": None, "mask": self.plan.every})
        gone = Seen(None, Rejected("missing", f"there is no frame {frame} any more"), None)
        return self._seen[0] if self._seen else gone

    def _run(self, source: Mapping[str, Any], sample: Sample, row: dict[str, Any]) -> None:
        if sample.frame == self._frame:
            self._seen.append(Seen(self.course(source, sample, None), None, row["sha256"]))

    def _fail(self, row: dict[str, Any], rejected: Rejected) -> None:
        if row["frame"] <= self._frame:
            self._seen.append(Seen(None, rejected, row["sha256"]))
