"""Watch a source by listing it again: it has changed when its listing has, and has settled when that stays the same.

Polling, not inotify: it sees what others write to a network mount or a bucket, and says the same of every source.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from tasks.load.source import SourceSpec, open_source
from tasks.pipeline.models import WatchSpec

WHOLE = 2**256
EMPTY = 0  # the digest of nothing


@dataclass
class Watch:
    """One source: ``look`` at it whenever ``wait`` seconds are over.

    What lies there at the first look counts as new, since nobody watched before, unless it is nothing at all.
    """

    source: SourceSpec
    spec: WatchSpec
    clock: Callable[[], float] = time.monotonic
    known: int = EMPTY
    seen: int = EMPTY
    since: float = 0.0

    def look(self) -> bool:
        """List the source, and say whether a run should start: it differs from what was run, and has settled.

        Raises ``RequestError`` or ``OSError`` where it cannot be listed.
        """
        found = digest(self.source)
        if found != self.seen:
            self.seen, self.since = found, self.clock()
        return self.seen != self.known and self.clock() - self.since >= self.spec.settle

    def started(self) -> None:
        """Remember that a run has been started for what was seen."""
        self.known = self.seen

    @property
    def wait(self) -> float:
        """How many seconds to wait before the next look: until it may have settled, where it is changing."""
        settling = self.spec.settle - (self.clock() - self.since)
        return self.spec.every if self.seen == self.known else min(self.spec.every, max(settling, 0.0))


def digest(source: SourceSpec) -> int:
    """Give a number that changes with any file's name, size or etag and any annotation, whatever the listing's order.

    A sum of SHA-256: 2 microseconds a file on top of listing it, and no memory.
    """
    whole = EMPTY
    for batch in open_source(source).listing():
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            whole += int.from_bytes(hashlib.sha256(repr(row).encode()).digest(), "big")
    return whole % WHOLE
