"""Preview: what every step makes of a few images, without a run. A picture is that of the pipeline ending there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.errors import Rejected, RequestError
from tasks.image.sample import Pixels, Sample
from tasks.load.source import SourceSpec
from tasks.operation import Applied, Composer, Expander, Feature, Target
from tasks.pipeline.graph import Graph, Node, ancestors
from tasks.pipeline.spec import OutputSpec
from tasks.report.pictures import Marks, fitted, marked, visible
from tasks.run.course import Course
from tasks.run.look import Looker
from tasks.run.partners import Near
from tasks.run.run import Run
from tasks.store.local import Store

SIDE = 148  # px of a picture, the longer side
SOURCE = ""  # the column of the decoded source
TRIED = 4  # times as many sources as are asked for are tried, where many do not decode


@dataclass(frozen=True)
class Column:
    """One step, with the rows of a source that it shows: ``""`` the original, ``.augmented:1`` a copy."""

    step: str
    below: str
    rows: tuple[str, ...]
    expands: bool = False


@dataclass(frozen=True)
class Cell:
    """What a step made of one row: a picture, or a feature's values."""

    said: tuple[str, str]
    about: dict[str, Any]
    picture: Image.Image | None = None
    values: NDArray[np.float32] | None = None


@dataclass
class Line:
    """One source on its way: its cells by step and row, and the verdicts that ended its way."""

    uri: str
    about: tuple[str, ...]
    label: str | None
    split: str
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    lost: dict[str, Rejected] = field(default_factory=dict)  # by the steps that it does not reach
    verdict: Rejected | None = None


@dataclass(frozen=True)
class Preview:
    """Everything that the sheet shows, and how long it took to make."""

    pipeline: str
    root: str
    sources: int
    columns: list[Column]
    lines: list[Line]
    unread: dict[str, Rejected]
    undecided: list[str]
    unfitted: list[str]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Give plain JSON values, without the pictures."""
        return {
            "pipeline": self.pipeline,
            "source": self.root,
            "sources": self.sources,
            "steps": [column.step for column in self.columns if column.step != SOURCE],
            "samples": [
                {
                    "uri": line.uri,
                    "label": line.label,
                    "split": line.split,
                    "rejected": _told(line.verdict),
                    "steps": [{"step": step, "row": row, **cell.about} for (step, row), cell in line.cells.items()],
                }
                for line in self.lines
            ],
            "unread": {uri: _told(verdict) for uri, verdict in self.unread.items()},
            "undecided": self.undecided,
            "unfitted": self.unfitted,
            "seconds": round(self.seconds, 3),
        }


def _told(verdict: Rejected | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {"step": verdict.step, "reason": verdict.reason, "message": verdict.message}


def preview(
    graph: Graph, source: SourceSpec, store: Store, number: int, step: str | None = None, copies: int = 2
) -> Preview:
    """Take the ``number`` smallest keys that decode through the graph, and gather the picture after each step.

    ``step`` shows the way to that one only. Nothing is written. Raises ``RequestError`` where there is no such step,
    or nothing that decodes.
    """
    start = time.monotonic()
    if step is not None and step not in graph.nodes:
        raise RequestError(f"{graph.spec.name}: no step `{step}` (there are: {', '.join(graph.nodes)})")
    run = Run.start(graph, source, store)
    try:
        graph = run.stage.graph  # with the values that the dataset's fitted steps are pinned to
        unfitted = _unfitted(graph)
        if step in unfitted:
            raise RequestError(f"{step}: its values are fitted on the collection by a run: run {graph.spec.name} first")
        nodes = [node for node in shown(graph, step) if node.id not in unfitted]
        looker = Looker(run.job)
        lines: list[Line] = []
        unread: dict[str, Rejected] = {}
        for one, looker.near in _sources(run):
            if len(lines) == number or len(lines) + len(unread) == TRIED * number:
                break
            seen = looker.look(one)
            if seen.course is None:
                assert seen.verdict is not None, "neither a way nor a verdict"
                unread[one["uri"]] = seen.verdict
            else:
                lines.append(line(one, seen.course, nodes, graph, copies))
        if not lines:
            raise RequestError(_nothing(run, unread))
        columns = [Column(SOURCE, "as decoded", ("",)), *(column(node, lines) for node in nodes)]
        undecided = [node.id for node in graph.datasets]
        root, sources = run.listing.source.root, run.listing.sources
        seconds = time.monotonic() - start
        return Preview(graph.spec.name, root, sources, columns, lines, unread, undecided, unfitted, seconds)
    finally:
        run.listing.close()


def _unfitted(graph: Graph) -> list[str]:
    """Give the steps that cannot run yet, and all that come after them."""
    return [name for name in graph.nodes if not graph.waiting.keys().isdisjoint(ancestors((name,), graph.nodes))]


def _nothing(run: Run, unread: Mapping[str, Rejected]) -> str:
    root = run.listing.source.root
    if not unread:
        return f"{root}: there is nothing in it; check the path, or name another --source"
    uri, verdict = next(iter(unread.items()))
    return f"{root}: none of the first {len(unread)} sources can be read; {uri}: {verdict.message}"


def _sources(run: Run) -> Iterator[tuple[dict[str, Any], Near | None]]:
    """Give the listed sources, the smallest key first, each with those that it may be mixed with."""
    for prefix in run.listing.leaves:
        leaf, ring = run.listing.leaf(prefix), run.ring(prefix)
        for i in range(leaf.num_rows):
            yield leaf.slice(i, 1).to_pylist()[0], ring.near(i) if ring else None


def shown(graph: Graph, step: str | None = None) -> list[Node]:
    """Give the nodes that touch pixels or targets or make features, in the file's order; those on the way to one."""
    wanted = graph.nodes if step is None else ancestors((step,), graph.nodes)
    kinds = (Applied, Composer, Expander, Feature)
    return [node for node in graph.nodes.values() if node.id in wanted and isinstance(node.operation, kinds)]


def column(node: Node, lines: Sequence[Line]) -> Column:
    """Give a step's column: every row that any of the lines has there."""
    rows = {row for line in lines for step, row in line.cells if step == node.id} or {""}
    operation = node.operation.name()
    below = [operation] if operation != node.id else []
    below += (
        [f"{node.size.width} x {node.size.height}"] if node.size and not isinstance(node.operation, Feature) else []
    )
    below += [f"where {name} = {value}" for name, value in node.where.items()]
    return Column(node.id, ", ".join(below), tuple(sorted(rows, key=_rank)), isinstance(node.operation, Expander))


def _rank(row: str) -> list[tuple[str, int]]:
    """Order rows as they are counted: the original, copy 1, copy 2, copy 10."""
    return [(name, int(n or 0)) for name, _, n in (part.partition(":") for part in row.split(".")[1:])]


def line(
    source: Mapping[str, Any], course: Course, nodes: Sequence[Node], graph: Graph, copies: int, side: int = SIDE
) -> Line:
    """Take one source through the nodes, and gather what each made of it; pictures are at most ``side`` px."""
    output = graph.outputs[0].spec
    sample = course.start
    pixels = sample.picture()
    first = Cell((_size(pixels), _values(pixels)), _about(pixels), picture(sample, output, side))
    about = (f"{sample.size.width} x {sample.size.height}", f"{source['size']:,} bytes")
    made = Line(source["uri"], about, source["label"], source["split"], {(SOURCE, ""): first})
    for node in nodes:
        before = course.union(node.needs)
        rows = course.rows(node.id)
        for row in sorted(rows, key=_rank):
            if copy_of(row) <= copies:
                parent = before.get(row) or before.get(row.rpartition(".")[0])
                made.cells[node.id, row] = _cell(node, rows[row], parent, output, side)
        if not rows:
            made.lost[node.id] = _nearest(node, course, graph)
    unfitted = _unfitted(graph)
    for check in graph.checks:
        if check.id not in unfitted:
            course.rows(check.id)
    ready = [output for output in graph.outputs if graph.is_ready(output)]
    lives = any(course.union(output.spec.sources) for output in ready)
    made.verdict = None if lives else course.first_failure()
    return made


def copy_of(row: str) -> int:
    """Give the highest number among a row's copies and crops; 0 for the unchanged row."""
    return max((n for _, n in _rank(row)), default=0)


def _nearest(node: Node, course: Course, graph: Graph) -> Rejected:
    """Find the verdict that ended the way to a step: its own, or that of the nearest before it."""
    waiting = [node.id]
    while waiting:
        name = waiting.pop(0)
        if name in course.failures:
            return course.failures[name]
        waiting += graph.nodes[name].needs
    return Rejected("no_rows", "no step made a row of this image", step=node.id)


def _cell(node: Node, sample: Sample, parent: Sample | None, output: OutputSpec, side: int) -> Cell:
    if isinstance(node.operation, Feature):
        values = sample.features[node.id] if node.id in sample.features else np.zeros(0, np.float32)
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
        size, span = f"{len(values):,} values", f"{low:.3g} to {high:.3g}"
        return Cell((size, span), {"values": len(values), "low": low, "high": high}, values=values)
    pixels = sample.picture()
    said = "; ".join(filter(None, (_values(pixels), _did(node, sample, parent))))
    return Cell((_size(pixels), said), _about(pixels), picture(sample, output, side))


def picture(sample: Sample, output: OutputSpec, side: int) -> Image.Image:
    """Show a sample as it is after its last step, its boxes, masks and key points drawn."""
    whole, _ = visible(sample.picture())
    image = fitted(whole, side)
    return marked(image, Marks.of(sample, output), (image.width / whole.width, image.height / whole.height))


def _about(pixels: Pixels) -> dict[str, Any]:
    return {"size": [pixels.shape[1], pixels.shape[0]], "channels": pixels.shape[2], "dtype": pixels.dtype.name}


def _size(pixels: Pixels) -> str:
    dtype = "" if pixels.dtype == np.uint8 else f", {pixels.dtype.name}"
    return f"{pixels.shape[1]} x {pixels.shape[0]}{dtype}"


def _values(pixels: Pixels) -> str:
    """Give the range of values that a screen does not show as they are."""
    return "" if pixels.dtype == np.uint8 else f"{float(pixels.min()):.4g} to {float(pixels.max()):.4g}"


def _did(node: Node, sample: Sample, parent: Sample | None) -> str:
    """Say what a step did to a row: what was drawn, or that it changed nothing."""
    done = [one for one in sample.lineage if one.step == node.id or one.step.startswith(f"{node.id}/")]
    if isinstance(node.operation, Expander) and parent is not None and sample.suffix == parent.suffix:
        return "the original"
    drawn = [_drawn(one.operation, one.params) for one in done if one.params or one.step != node.id]
    if drawn:
        return "; ".join(drawn)
    if not done and node.where:
        return "passes: not " + ", ".join(f"{name} = {value}" for name, value in node.where.items())
    if not isinstance(node.operation, Target) and parent is not None and _same(sample, parent):
        return "no change"
    return ""


def _drawn(operation: str, params: Mapping[str, Any]) -> str:
    figures = {
        name: f"{value:.3g}" if isinstance(value, float) else str(value)
        for name, value in params.items()
        if isinstance(value, (int, float, str)) and name != "seed"
    }
    named = ", ".join(f"{name} {value}" for name, value in figures.items())
    return " ".join([operation, next(iter(figures.values())) if len(figures) == 1 else named]).strip()


def _same(sample: Sample, parent: Sample) -> bool:
    now, before = sample.picture(), parent.picture()
    return now is before or (now.dtype == before.dtype and np.array_equal(now, before))
