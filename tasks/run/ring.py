"""Who may be mixed with whom: the next sources in the listing, in a ring of each split and partition.

A row that mixes images depends on those that were looked at for it: their bytes, what is said of them, and that they
come next. ``tried`` says which these were, and ``digest`` what they were: a row with another digest is stale.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.store.keys import KEY, keys_of, match

NEXT: Final = 8  # how many are looked at, at most
ALL_THERE_ARE: Final = 1 << NEXT  # in ``tried``, beside the bit of each that was looked at: the ring has no more
RETRIED = ("timeout", "crashed", "out_of_memory")  # a verdict on the machine, not on the bytes: tried again

Group = tuple[str, str | None]  # a split and a partition


@dataclass(frozen=True)
class Around:
    """Sources, and who comes after each.

    ``others`` has source (the listing's row), key, sha256 (as it was last read, or null), digest, and skip: whether it
    is not to be read, since it killed the process that read it. ``places`` are rows of ``others``, a list a source.
    """

    others: pa.Table
    places: Sequence[Sequence[int]]

    @cached_property
    def _said(self) -> list[tuple[bytes, bytes | None, bytes]]:
        return list(zip(*(self.others.column(name).to_pylist() for name in ("key", "sha256", "digest")), strict=True))

    def digest(self, source: int, tried: int) -> bytes:
        """Give the digest of those after a source that ``tried`` names."""
        places = self.places[source]
        return digest(tried, [self._said[place] for place in places[: tried.bit_length()]], len(places))

    def of(self, sources: Sequence[int]) -> Around:
        """Give the same for some of the sources alone."""
        used = sorted({place for source in sources for place in self.places[source]})
        numbers = {place: i for i, place in enumerate(used)}
        places = [[numbers[place] for place in self.places[source]] for source in sources]
        return Around(self.others.take(pa.array(used, pa.int64())), places)


def digest(tried: int, near: Sequence[tuple[bytes, bytes | None, bytes]], there: int) -> bytes:
    """Give the SHA-256 of the key, hash and digest of each that was looked at, and of their number if it counts."""
    sha = hashlib.sha256(there.to_bytes(1, "big") if tried & ALL_THERE_ARE else b"")
    for i, (key, sha256, said) in enumerate(near[:NEXT]):
        if tried >> i & 1:
            sha.update(i.to_bytes(1, "big") + key + (sha256 or bytes(32)) + said)
    return sha.digest()


def described(leaf: pa.Table, known: pa.Table) -> pa.Table:
    """Give a leaf's sources as ``Around.others`` has them; ``known`` are its measures, sorted by key."""
    places = match(keys_of(leaf.column("key")), keys_of(known.column("key")))
    there = pa.array([None if place < 0 else place for place in places.tolist()], pa.int64())
    last = known.select(["sha256", "failure"]).take(there)
    reasons = pc.struct_field(last.column("failure"), "reason")
    return pa.table(
        {
            "source": leaf.to_struct_array(),
            "key": leaf.column("key"),
            "sha256": last.column("sha256").cast(KEY),
            "digest": leaf.column("digest"),
            "skip": pc.fill_null(pc.is_in(reasons, value_set=pa.array(RETRIED)), False),
        }
    )


@dataclass(frozen=True)
class Rings:
    """The first sources of each ring in each leaf: enough to go on where a leaf ends."""

    order: list[str]
    heads: dict[str, dict[Group, pa.Table]]
    sizes: Counter[Group]

    @classmethod
    def of(cls, leaves: Iterable[tuple[str, pa.Table]]) -> Rings:
        """Go through all leaves, described, in key order."""
        rings = cls([], {}, Counter())
        for prefix, leaf in leaves:
            groups = _groups(leaf)
            rings.order.append(prefix)
            rings.heads[prefix] = {group: leaf.take(pa.array(own[:NEXT])) for group, own in groups.items()}
            rings.sizes.update({group: len(own) for group, own in groups.items()})
        return rings

    def around(self, prefix: str, leaf: pa.Table) -> Around:
        """Give who comes after each source of a leaf, round the ring and never the source itself."""
        places: list[list[int]] = [[] for _ in range(leaf.num_rows)]
        tables, end = [leaf], leaf.num_rows
        for group, own in _groups(leaf).items():
            after = self._after(prefix, group)
            ring = [*own.tolist(), *range(end, end + after.num_rows)]
            count = min(NEXT, self.sizes[group] - 1)
            for i, row in enumerate(own.tolist()):
                places[row] = ring[i + 1 : i + 1 + count]
            tables.append(after)
            end += after.num_rows
        return Around(pa.concat_tables(tables).combine_chunks(), places)

    def _after(self, prefix: str, group: Group) -> pa.Table:
        at = self.order.index(prefix) + 1
        found = [self.heads[prefix][group].slice(0, 0)]
        for other in [*self.order[at:], *self.order[:at]]:
            if group in self.heads[other]:
                found.append(self.heads[other][group])
                if sum(table.num_rows for table in found) >= NEXT:
                    break
        return pa.concat_tables(found).slice(0, NEXT)


def _groups(leaf: pa.Table) -> dict[Group, NDArray[np.int64]]:
    """Give the rows of each ring, in key order."""
    source = leaf.column("source")
    values = [pc.struct_field(source, name).to_pylist() for name in ("split", "partition")]
    rows: dict[Group, list[int]] = {}
    for row, group in enumerate(zip(*values, strict=True)):
        rows.setdefault(group, []).append(row)
    return {group: np.array(own, dtype=np.int64) for group, own in rows.items()}


def unlike(around: Around | None, leaf: pa.Table, known: pa.Table) -> NDArray[np.bool_]:
    """Say which known rows were mixed with others than those that would be looked at today."""
    found = np.zeros(known.num_rows, dtype=bool)
    if around is None:
        return found
    sources = match(keys_of(known.column("key")), keys_of(leaf.column("key")))
    for row, tried, partners in _mixed(known):
        found[row] = around.digest(int(sources[row]), tried) != partners
    return found


def _mixed(known: pa.Table) -> Iterator[tuple[int, int, bytes]]:
    pairs: Any = zip(known.column("tried").to_pylist(), known.column("partners").to_pylist(), strict=True)
    yield from ((row, tried, partners) for row, (tried, partners) in enumerate(pairs) if tried)
