"""Fits: the values of fitted steps, borrowed from a dataset, pinned by the version before, or fitted on the rows kept.

A fit is plain JSON: the operation, the key of what decides it (``fit_fingerprint``), how many images it was fitted on,
and the values. A version holds them all under ``fits``, by step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ValidationError

from tasks.errors import ImagemillError
from tasks.fitted import FITTED, Fitted
from tasks.operation import canonical_json
from tasks.pipeline.fingerprint import fit_fingerprint
from tasks.pipeline.graph import Graph, Node
from tasks.pipeline.mistakes import SpecError
from tasks.run.verdicts import Fates
from tasks.store.remote import store_to_read
from tasks.store.schema import fit_columns

Fit = dict[str, Any]


def known_fits(graph: Graph, version: Mapping[str, Any] | None) -> dict[str, Fit]:
    """Give the fits that are there before a run: those that ``version`` has pinned, else those of other datasets.

    Raises ``SpecError`` where a dataset that is named has no such fit.
    """
    before = version.get("fits", {}) if version else {}
    pinned = {
        node.id: before[node.id]
        for node in graph.fits
        if node.id in before and before[node.id]["key"] == fit_fingerprint(graph, node)
    }
    return {**borrowed(graph, before), **pinned}


def pins(fits: Mapping[str, Fit]) -> tuple[tuple[str, str], ...]:
    """Give the values as workers get them: hashable, in order of the steps' names."""
    return tuple((name, canonical_json(fit["values"])) for name, fit in sorted(fits.items()))


def borrowed(graph: Graph, before: Mapping[str, Fit] | None = None) -> dict[str, Fit]:
    """Give the fits of the steps that take another dataset's: as they were pinned ``before``, else its newest.

    Raises ``SpecError`` at the step where that has none for it.
    """
    pinned = {name: fit for name, fit in (before or {}).items() if _holds(graph, name, fit)}
    return {
        name: pinned.get(name) or _borrowed(graph.nodes[name], operation, operation.fit_from)
        for name, operation in graph.waiting.items()
        if operation.fit_from is not None and operation.fit_from != FITTED
    }


def _holds(graph: Graph, name: str, fit: Fit) -> bool:
    """Say whether a pinned fit is what a step would borrow, whatever its lender has been fitted to since."""
    operation = graph.waiting.get(name)
    if operation is None or (fit.get("dataset"), fit["operation"]) != (operation.fit_from, operation.name()):
        return False
    try:
        operation.with_fit(fit["values"]).refuse(graph.nodes[name].channels)
    except ValueError:
        return False
    return True


def _borrowed(node: Node, operation: Fitted, path: str) -> Fit:
    version = store_to_read(path).latest()
    if version is None:
        raise SpecError.at(
            node.place, f"{node.id}: {path} is no imagemill dataset: give the folder of one, or `fitted`"
        )
    fits = {name: fit for name, fit in version.get("fits", {}).items() if fit["operation"] == operation.name()}
    ordered = sorted(fits, key=lambda name: (name != node.id, name))
    trouble = f"its steps have no fit of {operation.name()}"
    for name in ordered:
        try:
            operation.with_fit(fits[name]["values"]).refuse(node.channels)
        except ValueError as error:
            trouble = f"the fit of `{name}` will not do: {_message(error)}"
        else:
            return {**fits[name], "dataset": path, "step": name}
    raise SpecError.at(node.place, f"{node.id}: {path}, version {version['version']}: {trouble}")


def _message(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
    return str(error)


def fitted(graph: Graph, leaves: Mapping[str, Fates]) -> dict[str, Fit]:
    """Fit the steps that wait for it on the images that are kept, of the split ``train``, in key order.

    Raises ``ImagemillError`` where they do not suffice.
    """
    return {node.id: _fitted(graph, node, leaves) for node in graph.fits if node.id in graph.waiting}


def _fitted(graph: Graph, node: Node, leaves: Mapping[str, Fates]) -> Fit:
    assert node.fit is not None
    images = sum(len(_rows(graph, node, fate)) for fate in leaves.values())
    if not images:
        raise ImagemillError(f"{node.id}: there is nothing to fit it on: no image of the split train is kept; add some")
    try:
        values = node.fit.fit(_columns(graph, node, fate) for fate in leaves.values())
    except ValueError as error:
        raise ImagemillError(f"{node.id}: it cannot be fitted on {images:,} images: {error}") from error
    key = fit_fingerprint(graph, node)
    return {"operation": node.fit.name(), "key": key, "images": images, "values": values}


def _columns(graph: Graph, node: Node, fate: Fates) -> pa.Table:
    """Give what a leaf has to fit a step on."""
    return fate.measures.select(list(fit_columns(node))).take(pa.array(_rows(graph, node, fate)))


def _rows(graph: Graph, node: Node, fate: Fates) -> NDArray[np.int64]:
    """Give which rows of a leaf reach an output through a step and could be measured."""
    ends = [name for output in graph.outputs if node.id in output.ancestors for name in output.spec.sources]
    kept = fate.alive[node.id] & fate.union(ends or [node.id])
    kept &= np.asarray(pc.equal(fate.leaf.column("split"), "train").to_numpy(), dtype=bool)
    for column in fit_columns(node):
        kept &= np.asarray(fate.measures.column(column).is_valid().to_numpy(), dtype=bool)
    return np.flatnonzero(kept)
