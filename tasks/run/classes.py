"""What a listing's classes decide: whether those that are named are there, copies that balance, weights."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from tasks.augment.augment import BALANCED, Augment
from tasks.augment.mixup import Mixup
from tasks.collection.balance import Balance, counted
from tasks.collection.split import Split
from tasks.operation import Expander
from tasks.pipeline.explain import hint
from tasks.pipeline.graph import Graph, Node, balance_of
from tasks.pipeline.spec import SpecError
from tasks.run.discover import Listing
from tasks.run.verdicts import Fates, matching

log = logging.getLogger("imagemill")

DRIFT: Final = 1.5  # times the rows an image of a class has: by less, copies may be off before they are counted anew


def refuse_unfit(graph: Graph, listing: Listing) -> None:
    """Raise where a step names a class that no image has, needs classes where there are none, or blends masks.

    A ``where`` that names such a class is told of only: a class may go, and come again.
    """
    for node in graph.nodes.values():
        if _by_label(node) and listing.sources and not listing.labels:
            raise SpecError.at(node.place, f"{node.id} counts the images of each class, and none has a label")
        asked = node.where.get("label")
        if asked is not None and asked not in listing.labels:
            log.warning("%s: no image has the label %r%s", node.id, asked, hint(str(asked), listing.labels))
        named = node.operation.classes if isinstance(node.operation, Expander) else ()
        for name in named:
            if name not in listing.labels:
                raise SpecError.at(node.place, f"copies: no image is of class {name!r}{hint(name, listing.labels)}")
        if listing.source.kinds.masks and any(isinstance(one, Mixup) for one in node.operation.nested()):
            raise SpecError.at(node.place, "mixup cannot blend masks, and the source has some: use cutmix or mosaic")


def _by_label(node: Node) -> bool:
    operation = node.operation
    return isinstance(operation, Balance) or (isinstance(operation, Split) and operation.stratify == "label")


def with_copies(graph: Graph, listing: Listing, version: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the frozen pipeline with each class's copies where a step says that they balance.

    They are the ``version``'s, as long as its classes and its balance step are today's and they are not off by more
    than ``DRIFT``.
    """
    frozen = graph.spec.frozen
    counts = {
        node.id: _copies(node, graph, listing, version)
        for node in graph.nodes.values()
        if isinstance(node.operation, Augment) and node.operation.copies == BALANCED
    }
    if not counts:
        return frozen
    steps = [
        {**step, "augment": {**step["augment"], "copies": counts[step["id"]]}} if step["id"] in counts else step
        for step in frozen["steps"]
    ]
    return {**frozen, "steps": steps}


def _copies(node: Node, graph: Graph, listing: Listing, version: Mapping[str, Any] | None) -> list[list[Any]]:
    step = balance_of(node, graph.nodes)
    assert step is not None, "the graph lets no copies pass that nothing balances"
    assert isinstance(step.operation, Balance)
    assert isinstance(node.operation, Augment)
    counts = _listed(step, listing)
    if not counts:
        raise SpecError.at(step.place, "balance counts the images of each class, and none that it is for has a label")
    original = node.operation.original
    copies = step.operation.copies(counts, original)
    pinned = _pinned(node, step, graph, version)
    if pinned.keys() == copies.keys() and not any(_off(pinned[name], copies[name], original) for name in copies):
        copies = pinned
    return [[name, copies[name]] for name in sorted(copies)]


def _off(before: int, now: int, original: bool) -> bool:
    low, high = sorted((before + original, now + original))
    return high >= DRIFT * low


def _pinned(node: Node, step: Node, graph: Graph, version: Mapping[str, Any] | None) -> dict[str, int]:
    """Give what the version before has counted by the same balance step; nothing where it has not."""
    before = {one["id"]: one for one in version["pipeline"]["steps"]} if version else {}
    now = {one["id"]: one for one in graph.spec.frozen["steps"]}
    if before.get(step.id) != now[step.id] or "augment" not in before.get(node.id, {}):
        return {}
    copies = before[node.id]["augment"].get("copies")
    return {name: count for name, count in copies if name} if isinstance(copies, list) else {}


def _listed(step: Node, listing: Listing) -> dict[str, int]:
    """Count the listed images of each class that a step is for."""
    counts: Counter[str] = Counter()
    for prefix in listing.leaves:
        leaf = listing.leaf(prefix)
        for name, value in step.where.items():
            if name not in leaf.schema.names:
                raise SpecError.at(step.place, f"balance by augment counts the listing, which has no {name!r}")
            leaf = leaf.filter(pc.equal(leaf.column(name), pa.scalar(value, leaf.schema.field(name).type)))
        counts.update(counted(leaf.column("label")))
    return dict(counts)


def weights(graph: Graph, fates: Mapping[str, Fates]) -> dict[str, dict[str, float]]:
    """Give each class's weight by the images that stay, for each step that balances by weights."""
    found = {}
    for node in graph.datasets:
        if isinstance(node.operation, Balance) and node.operation.by == "weight":
            counts: Counter[str] = Counter()
            for fate in fates.values():
                kept = fate.leaf.column("label").filter(pa.array(fate.alive[node.id] & matching(node, fate)))
                counts.update(counted(kept))
            found[node.id] = dict(sorted(node.operation.weights(counts).items()))
    return found
