"""imagemill: a large image collection into training-ready Parquet shards. What a user imports, and nothing else."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def _refuse_shadowed() -> None:
    """Say plainly when another installed package hides ours: ``flows`` and ``tasks`` are common names."""
    for name, module in (("flows", "prepare.py"), ("tasks", "operation.py")):
        found = importlib.util.find_spec(name)
        folders = list(found.submodule_search_locations or []) if found else []
        if not any((Path(folder) / module).is_file() for folder in folders):
            where = (found.origin or ", ".join(folders)) if found else "nowhere"
            raise ImportError(
                f"imagemill's package `{name}` is hidden by another of that name ({where}): "
                "remove that one from sys.path, or install imagemill into an environment of its own"
            )


_refuse_shadowed()

from flows.request import Result, run  # noqa: E402 - only once the packages are known to be ours
from tasks.errors import ImagemillError, Rejected, RequestError  # noqa: E402
from tasks.operation import (  # noqa: E402
    Check,
    Dataset,
    Feature,
    Filter,
    Geometric,
    Operation,
    Pointwise,
    Random,
    Range,
)
from tasks.report.notebook import Pipeline, pipeline  # noqa: E402
from tasks.report.notebook import ShownDataset as PreparedDataset  # noqa: E402
from tasks.report.notebook import shown_dataset as open  # noqa: E402 - `imagemill.open` is what users expect
from tasks.store.reading import Share  # noqa: E402

__all__ = [
    "Check",
    "Dataset",
    "Feature",
    "Filter",
    "Geometric",
    "ImagemillError",
    "Operation",
    "Pipeline",
    "Pointwise",
    "PreparedDataset",
    "Random",
    "Range",
    "Rejected",
    "RequestError",
    "Result",
    "Share",
    "open",
    "pipeline",
    "run",
]
