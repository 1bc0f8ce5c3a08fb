"""Pace: how many images were made when, from the times at which the run's units were staged."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tasks.store.staging import Staged

BINS = 60
LEAST = 9  # units: fewer say nothing of a pace
UNITS = 4  # in a part, on average, at least


def pace(staged: Iterable[Staged]) -> dict[str, Any] | None:
    """Give when the first unit was staged, the seconds from there to the last, and the images in each equal part.

    Nothing where the run was too short for that. The first unit's own images are left out: when it began is not known.
    """
    units = sorted((one.path.stat().st_mtime, one.table("measures").num_rows) for one in staged)
    if len(units) < LEAST:
        return None
    times, images = (np.array(column) for column in zip(*units, strict=True))
    seconds = float(times[-1] - times[0])
    if seconds <= 0:
        return None
    bins = min(BINS, (len(units) - 1) // UNITS)
    counts, _ = np.histogram(times[1:] - times[0], bins=bins, range=(0.0, seconds), weights=images[1:])
    first = datetime.fromtimestamp(times[0], UTC).isoformat(timespec="seconds")
    return {"first": first, "seconds": round(seconds, 3), "images": counts.astype(int).tolist()}
