"""Decisions by a score: the rows chosen, with their scores and one message."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.operation import DECISION


def scored(
    table: pa.Table, chosen: NDArray[np.bool_], scores: NDArray[np.float64], limit: float, reason: str, message: str
) -> pa.Table:
    """Give a step's decision on the ``chosen`` rows of its table."""
    rows = np.flatnonzero(chosen)
    columns = {
        "id": table.column("id").take(pa.array(rows)),
        "reason": pa.repeat(reason, len(rows)),
        "message": pa.repeat(message, len(rows)),
        "keeper": pa.nulls(len(rows), pa.string()),
        "score": pa.array(scores[rows], pa.float64()),
        "limit": pa.repeat(limit, len(rows)),
    }
    return pa.table(columns, schema=DECISION)
