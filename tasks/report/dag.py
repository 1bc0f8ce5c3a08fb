"""The pipeline as a drawing: steps in layers from the source down to the outputs, edges with the images they carry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean
from typing import Any

from tasks.pipeline.steps import operation_of

NODE, HIGH = 190, 44  # px
ACROSS, DOWN = 230, 78  # from one node to the next
SWEEPS = 8
LONGEST = 24  # characters of a name
SOURCE = "\0source"
OUTPUT = "\0output "


@dataclass
class Node:
    """A box: where it stands, what it says, and how many images it lost. A name of None only bends an edge."""

    name: str | None
    title: str = ""
    below: str = ""
    about: str = ""
    kind: str = "step"
    layer: int = 0
    place: float = 0.0
    lost: int = 0

    @property
    def x(self) -> float:
        """The middle of its box, in px."""
        return self.place * ACROSS + ACROSS / 2

    @property
    def y(self) -> float:
        """The middle of its box, in px."""
        return self.layer * DOWN + HIGH / 2 + 2


@dataclass
class Edge:
    """A line from box to box through bends, with what is known of the images on it."""

    path: list[Node]
    images: int | None = None
    what: str = "images"
    width: float = 1.5

    @property
    def line(self) -> str:
        """The SVG path: straight down, or an S through each bend."""
        points = [(node.x, node.y) for node in self.path]
        start, end = points[0], points[-1]
        points[0], points[-1] = (start[0], start[1] + HIGH / 2), (end[0], end[1] - HIGH / 2 - 5)
        text = f"M{points[0][0]:g},{points[0][1]:g}"
        for (x0, y0), (x1, y1) in pairwise(points):
            middle = (y0 + y1) / 2
            text += f"C{x0:g},{middle:g} {x1:g},{middle:g} {x1:g},{y1:g}"
        return text

    @property
    def label(self) -> tuple[float, float]:
        """Where the count stands: beside the line's end."""
        node, before = self.path[-1], self.path[-2]
        y = node.y - HIGH / 2 - 13
        return (node.x + 8 if node.x >= before.x else node.x - 8), y

    @property
    def anchor(self) -> str:
        """Which end of the count stands there."""
        return "start" if self.path[-1].x >= self.path[-2].x else "end"


@dataclass
class Drawing:
    """Everything placed, for the template to draw."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    @property
    def width(self) -> float:
        """How wide the drawing is, in px: room for what stands beside the last column too."""
        return max(node.place for node in self.nodes) * ACROSS + ACROSS + 60

    @property
    def height(self) -> float:
        """How high the drawing is, in px."""
        return max(node.layer for node in self.nodes) * DOWN + HIGH + 6

    @property
    def spoken(self) -> str:
        """The edges in words, for those who do not see them."""
        return "; ".join(
            f"{edge.path[0].title} to {edge.path[-1].title}"
            + (f", {edge.images:,} {edge.what}" if edge.images is not None else "")
            for edge in self.edges
        )


def draw(version: Mapping[str, Any], lost: Mapping[str, int]) -> Drawing:
    """Lay out a version's pipeline; ``lost`` says how many images were rejected at each step, "" at loading."""
    steps = version["pipeline"]["steps"]
    outputs = version["pipeline"].get("outputs") or []
    counts = version["counts"]
    nodes = {SOURCE: Node(SOURCE, "source", f"{counts['listed']:,} listed", kind="source", lost=lost.get("", 0))}
    needs: dict[str, list[str]] = {SOURCE: []}
    for step in steps:
        nodes[step["id"]] = _step(step, lost)
        needs[step["id"]] = list(step.get("needs") or []) or [SOURCE]
    for output in outputs:
        name = OUTPUT + output["name"]
        rows = sum(counts["rows"].get(output["name"], {}).values())
        nodes[name] = Node(name, output["name"], f"{rows:,} rows", kind="output")
        sources = output["from"]
        needs[name] = [sources] if isinstance(sources, str) else list(sources)
    _layer(nodes, needs)
    edges = [Edge([nodes[need], nodes[name]]) for name, among in needs.items() for need in among if need in nodes]
    known = _carried(nodes, needs, counts["listed"])
    largest = max(counts["listed"], 1)
    for edge in edges:
        start, end = edge.path[0].name or "", edge.path[-1].name or ""
        edge.images = known.get(start)
        if end.startswith(OUTPUT):
            edge.images, edge.what = sum(counts["rows"].get(end.removeprefix(OUTPUT), {}).values()), "rows"
        edge.width = 1.5 + 4 * min(1.0, edge.images / largest) if edge.images is not None else 1.5
    return _placed(list(nodes.values()), edges)


def _step(step: Mapping[str, Any], lost: Mapping[str, int]) -> Node:
    operation = operation_of(step)
    where = step.get("where") or {}
    below = [operation] if operation != step["id"] else []
    below += [f"where {', '.join(f'{name} = {value}' for name, value in where.items())}"] if where else []
    about = json.dumps(step.get(operation), ensure_ascii=False, sort_keys=True)
    return Node(step["id"], step["id"], ", ".join(below), about, lost=lost.get(step["id"], 0))


def shortened(text: str, most: int = LONGEST) -> str:
    """Cut a text that its box does not hold."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _layer(nodes: Mapping[str, Node], needs: Mapping[str, Sequence[str]]) -> None:
    """Put every node below the lowest that it needs; outputs all at the bottom. The file's order is a valid order."""
    for _ in nodes:
        moved = False
        for name, node in nodes.items():
            layer = max((nodes[need].layer + 1 for need in needs[name] if need in nodes), default=0)
            moved, node.layer = moved or layer != node.layer, layer
        if not moved:
            break
    bottom = max(node.layer for node in nodes.values())
    for node in nodes.values():
        if node.kind == "output":
            node.layer = bottom


def _carried(nodes: Mapping[str, Node], needs: Mapping[str, Sequence[str]], listed: int) -> dict[str, int]:
    """Give how many images leave a node, as long as there is one way only.

    Past a fork an image may be lost on one branch and live on another, and the tables do not say on which.
    """
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for name, among in needs.items():
        for need in among:
            after.setdefault(need, []).append(name)
    known: dict[str, int] = {}
    name, images = SOURCE, listed
    while True:
        images -= nodes[name].lost
        known[name] = images
        children = after[name]
        if len(children) != 1 or nodes[children[0]].kind == "output" or len(needs[children[0]]) > 1:
            return known
        name = children[0]


def _placed(nodes: list[Node], edges: list[Edge]) -> Drawing:
    """Choose places within layers: bends for long edges, then each node near the mean of its neighbours."""
    drawing = Drawing(nodes, edges)
    every = list(nodes)
    for edge in edges:
        start, end = edge.path[0], edge.path[-1]
        bends = [Node(None, layer=layer) for layer in range(start.layer + 1, end.layer)]
        edge.path[1:1] = bends
        every += bends
    layers: list[list[Node]] = [[] for _ in range(max(node.layer for node in every) + 1)]
    for node in every:
        layers[node.layer].append(node)
    up, down = _neighbours(edges)
    for layer in layers:
        for i, node in enumerate(layer):
            node.place = float(i)
    for sweep in range(SWEEPS):
        neighbours = up if sweep % 2 == 0 else down
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            _spread(layer, {id(node): _wanted(node, neighbours) for node in layer})
    least = min(node.place for node in every)
    for node in every:
        node.place -= least
    return drawing


def _neighbours(edges: Iterable[Edge]) -> tuple[dict[int, list[Node]], dict[int, list[Node]]]:
    up: dict[int, list[Node]] = {}
    down: dict[int, list[Node]] = {}
    for edge in edges:
        for a, b in pairwise(edge.path):
            down.setdefault(id(a), []).append(b)
            up.setdefault(id(b), []).append(a)
    return up, down


def _wanted(node: Node, neighbours: Mapping[int, Sequence[Node]]) -> float:
    near = neighbours.get(id(node))
    return mean(other.place for other in near) if near else node.place


def _spread(layer: list[Node], wanted: Mapping[int, float]) -> None:
    """Order a layer by where its nodes want to stand, a node's width apart, around the same middle."""
    layer.sort(key=lambda node: wanted[id(node)])
    places: list[float] = []
    for node in layer:
        places.append(max(wanted[id(node)], places[-1] + 1) if places else wanted[id(node)])
    shift = mean(wanted[id(node)] for node in layer) - mean(places)
    for node, place in zip(layer, places, strict=True):
        node.place = place + shift
