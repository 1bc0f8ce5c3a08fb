"""Where fused groups end: decided from the pipeline alone, never from cost, data, draws or workers (DESIGN 4)."""

from __future__ import annotations

import collections.abc
from dataclasses import dataclass, replace

import numpy as np

from tasks.augment.one_of import OneOf
from tasks.augment.sequence import Sequence
from tasks.errors import Rejected
from tasks.image.geometry import WHOLE, Size
from tasks.operation import (
    Applied,
    Composer,
    Expander,
    Filter,
    Geometric,
    Mixing,
    Operation,
    Pointwise,
    RandomGeometric,
    Target,
)

Chain = collections.abc.Sequence[tuple[str, Operation]]

# What a chain does to sizes is tried on sources larger than any canvas, so that every fixed size shrinks: a resize
# that then enlarges does so after shrinking, whatever the data.
PROBES = (Size(49_152, 36_864), Size(36_864, 49_152))


def settles(chain: Chain) -> frozenset[str]:
    """Give the paths (``augmented/rotate``) of the steps before which what is pending must be done.

    ``chain`` holds ids and operations from the source to one leaf. Moves join one resampling, curves the table after
    it; a group ends where that would change what the steps say.
    """
    found: set[str] = set()
    for probe in PROBES:
        _walk(chain, _Pending(frozenset({probe})), found)
    return frozenset(found)


@dataclass(frozen=True)
class _Pending:
    """What may be pending before a step: the union over all that could have been drawn so far.

    ``sizes`` are the canvases that are known, ``shrunk`` whether a fixed scale below 1 is pending, ``ends`` whether the
    step before closes its group.
    """

    sizes: frozenset[Size]
    moved: bool = False
    curved: bool = False
    shrunk: bool = False
    interpolations: frozenset[tuple[str, bool]] = frozenset()
    ends: bool = False

    def settled(self) -> _Pending:
        return _Pending(self.sizes)

    def or_else(self, other: _Pending) -> _Pending:
        return _Pending(
            self.sizes | other.sizes,
            self.moved or other.moved,
            self.curved or other.curved,
            self.shrunk or other.shrunk,
            self.interpolations | other.interpolations,
            self.ends or other.ends,
        )


def _walk(chain: Chain, pending: _Pending, found: set[str]) -> _Pending:
    for path, operation in chain:
        if isinstance(operation, Expander):
            pending = _expand(path, operation, pending, found)
        elif isinstance(operation, (Applied, Composer, Mixing)) and not isinstance(operation, Target):
            if _must_end(operation, pending):
                found.add(path)
                pending = pending.settled()
            pending = _after(path, operation, pending, found)
    return pending


def _must_end(operation: Operation, pending: _Pending) -> bool:
    """Say whether a group ends before an operation."""
    if pending.ends or not (pending.moved or pending.curved):
        return pending.ends
    if isinstance(operation, Composer):
        return not _only_moves(operation) or _ends_inside(operation, pending)
    if isinstance(operation, Filter):
        return True
    if isinstance(operation, Pointwise):
        return operation.measured
    if isinstance(operation, Geometric):
        return (
            (pending.curved and not _passes_curves(operation))
            or (pending.moved and _border(operation) != "constant")
            or (pending.shrunk and any(_scale(operation, size) > 1 + WHOLE for size in pending.sizes))
            or len(pending.interpolations | _interpolation(operation)) > 1
        )
    return True


def _after(path: str, operation: Operation, pending: _Pending, found: set[str]) -> _Pending:
    """Give what is pending after an operation, before which the group has ended if it must."""
    if isinstance(operation, Composer):
        return _compose(path, operation, pending, found)
    if isinstance(operation, Pointwise):
        return replace(pending, curved=True)
    if isinstance(operation, Geometric):
        return _Pending(
            _sizes(operation, pending.sizes),
            True,
            pending.curved,
            pending.shrunk or any(_scale(operation, size) < 1 - WHOLE for size in pending.sizes),
            pending.interpolations | _interpolation(operation),
            _border(operation) != "constant",
        )
    return _Pending(_sizes(operation, pending.sizes))


def _expand(path: str, operation: Expander, pending: _Pending, found: set[str]) -> _Pending:
    """Go on through the transforms of copies; an expander without any makes pixels in its own way."""
    if not operation.steps:
        return replace(pending, sizes=_sizes(operation, pending.sizes), moved=True, ends=True)
    copies = _walk(_nested(path, operation), pending, found)
    return copies.or_else(pending) if operation.keeps_original() else copies


def _compose(path: str, operation: Composer, pending: _Pending, found: set[str]) -> _Pending:
    """Go through a composer's members: all of a sequence, one of ``one_of``, any others in the order written.

    Which members are drawn must not decide where groups end: one that ends a group inside ends it after, too.
    """
    inside: set[str] = set()
    members = _nested(path, operation)
    after = pending
    if isinstance(operation, Sequence):
        after = _walk(members, pending, inside)
    else:
        for member in members:
            before = pending if isinstance(operation, OneOf) else after
            after = after.or_else(_walk([member], before, inside))
    found |= inside
    return replace(after, ends=after.ends or bool(inside) or not _only_moves(operation))


def _ends_inside(operation: Composer, pending: _Pending) -> bool:
    """Say whether a member would end the group before it: then the group ends before the composer, drawn or not."""
    inside: set[str] = set()
    _compose("", operation, pending, inside)
    alone: set[str] = set()
    _compose("", operation, pending.settled(), alone)
    return inside != alone


def _nested(path: str, operation: Operation) -> list[tuple[str, Operation]]:
    return [(f"{path}/{step.id}", step.operation) for step in operation.steps]


def _only_moves(operation: Operation) -> bool:
    if isinstance(operation, Composer):
        return all(_only_moves(step.operation) for step in operation.steps)
    return isinstance(operation, (Geometric, Target))


def _passes_curves(operation: Geometric) -> bool:
    """Say whether curves may wait for a move: it copies pixels, and adds none of a fill that a table would change."""
    return operation.exact and "fill" not in type(operation).model_fields


def _border(operation: Operation) -> str:
    return str(getattr(operation, "border", "constant"))


def _interpolation(operation: Operation) -> frozenset[tuple[str, bool]]:
    named = str(getattr(operation, "interpolation", "auto"))
    return frozenset() if named == "auto" else frozenset({(named, bool(getattr(operation, "antialias", False)))})


def _sizes(operation: Operation, sizes: frozenset[Size]) -> frozenset[Size]:
    """Give the canvases after an operation, as far as they are known."""
    try:
        after = {operation.fixed_size(size) for size in sizes or {None}}
    except Rejected:
        return frozenset()
    return frozenset(size for size in after if size is not None)


def _scale(operation: Geometric, size: Size) -> float:
    """Give the larger scale of a fixed move, the smaller where both shrink; 1 for drawn ones."""
    if isinstance(operation, RandomGeometric):
        return 1.0
    try:
        linear = operation.matrix(size)[:2, :2]
    except Rejected:
        return 1.0
    scales = np.linalg.svd(linear, compute_uv=False)
    return float(scales[0] if scales[0] > 1 + WHOLE else scales[-1])
