"""Who stays of each group: the best row, and whatever is not a duplicate of a better one that stays."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]
Scores = NDArray[np.float64]
Compares = Callable[[Rows, Rows], Scores]  # how rows compare with their keepers; NaN where they are no duplicates

ROUNDS = 1024  # keepers that one group may have: bounds the time where a group chains through unlike images
NO_GROUP = -1

log = logging.getLogger("imagemill")


class Found(NamedTuple):
    """Rows that are duplicates, the one that each is a duplicate of, and how they compare."""

    rows: Rows
    keepers: Rows
    scores: Scores


def duplicates(groups: Rows, compare: Compares, pinned: Flags) -> Found:
    """Find the rows that have a better one in their group which stays and is like them.

    ``groups`` has a number a row, best rows first, ``NO_GROUP`` for none. In each round the best row left of a group
    is compared with the others, and those like it leave. ``pinned`` rows stay whatever they are like.
    """
    return _rounds(_together(groups, np.arange(len(groups))), groups, compare, pinned, np.ones(len(groups), dtype=bool))


def leaks(groups: Rows, compare: Compares, parts: Rows, foreign: Flags) -> Found:
    """Find the rows that are like a row of their group in an earlier part that stays, leaving ``foreign`` ones out.

    ``parts`` has a number a row: rows of the smallest all stay.
    """
    gone, found = foreign.copy(), []
    for part in np.unique(parts)[1:]:
        found.append(_leaks(groups, compare, (parts == part) & ~gone, (parts < part) & ~gone))
        gone[found[-1].rows] = True
    return _joined(found)


def _leaks(groups: Rows, compare: Compares, inside: Flags, outside: Flags) -> Found:
    outside_first = np.concatenate([np.flatnonzero(outside), np.flatnonzero(inside)])
    return _rounds(_together(groups, outside_first), groups, compare, outside, outside)


def _together(groups: Rows, order: Rows) -> Rows:
    """Give the rows that have others in their group, a group after the other, each in the order given."""
    order = order[groups[order] != NO_GROUP]
    order = order[np.argsort(groups[order], kind="stable")]
    mine = groups[order]
    same = mine[1:] == mine[:-1]
    return order[np.concatenate([[False], same]) | np.concatenate([same, [False]])] if len(order) else order


def _rounds(waiting: Rows, groups: Rows, compare: Compares, pinned: Flags, may_keep: Flags) -> Found:
    found: list[Found] = []
    for _ in range(ROUNDS):
        if not len(waiting):
            break
        mine = groups[waiting]
        first = np.concatenate([[True], mine[1:] != mine[:-1]])
        keepers = waiting[first][np.cumsum(first) - 1]
        others = ~first & may_keep[keepers]
        rows, keepers = waiting[others], keepers[others]
        scores = compare(rows, keepers)
        like = ~np.isnan(scores) & ~pinned[rows]
        found.append(Found(rows[like], keepers[like], scores[like]))
        waiting = rows[~like]
    if len(waiting):
        log.warning(
            "%d images stay that were not compared with all of their group: it chains through more than %d unlike ones",
            len(waiting),
            ROUNDS,
        )
    return _joined(found)


def _joined(found: list[Found]) -> Found:
    if not found:
        return Found(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
    return Found(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
