"""What the graph asks of fitted steps and of what is derived from features, before any image is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tasks.fitted import Derived, Fitted
from tasks.operation import Check
from tasks.pipeline.mistakes import SpecError

if TYPE_CHECKING:
    from tasks.pipeline.graph import Graph, Node


def refuse_unfit(graph: Graph, before: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse steps that could not be fitted before the rest is made, and what would be measured after them.

    ``before`` names the steps before each.
    """
    for node in graph.nodes.values():
        if any(isinstance(one, Fitted) and one.fit_from for one in node.operation.nested()):
            raise SpecError.at(node.place, "what is fitted stands at a pipeline's own steps, not at nested ones")
        earlier = [name for name in before[node.id] if graph.nodes[name].fit is not None]
        if earlier and _is_measured(node):
            raise SpecError.at(
                node.place,
                f"{node.id} is measured before {earlier[0]} can be fitted, so it cannot come after it: "
                f"put it before {earlier[0]}, or say `needs:` with an earlier step",
            )
    for node in graph.fits:
        if node.needs and all("" not in graph.nodes[need].rows for need in node.needs):
            raise SpecError.at(
                node.place, f"{node.id} is fitted on originals, and none is left here: put it before what makes copies"
            )
        if node.where.get("split", "train") != "train":
            raise SpecError.at(
                node.place, f"{node.id} is fitted on the split `train`, and `where` names {node.where['split']!r}"
            )
        if graph.split is not None and "train" not in graph.split.names:
            raise SpecError.at(
                node.place, f"{node.id} is fitted on the split `train`; there are {', '.join(graph.split.names)}"
            )


def _is_measured(node: Node) -> bool:
    """Say whether a step is measured on sources, before anything is decided."""
    checks = isinstance(node.operation, Check) and not node.expanded
    return checks or node.fit is not None or node.hashes


def refuse_underived(node: Node, operation: Derived, features: Mapping[str, int]) -> None:
    """Refuse a step that derives a vector from none of the ``features`` before it; they come with their lengths."""
    if operation.of not in features:
        there = f"the features before it are {', '.join(features)}" if features else "no feature comes before it"
        raise SpecError.at(node.place, f"{node.id}: `of: {operation.of}` is no feature step before this one: {there}")
    try:
        operation.refuse_length(features[operation.of])
    except ValueError as error:
        raise SpecError.at(node.place, f"{node.id}: {error}") from error
