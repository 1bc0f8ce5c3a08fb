"""The page of a trace: where an image came from, what became of it, and the picture after every step on its way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tasks.errors import ImagemillError
from tasks.pipeline.graph import Graph, ancestors
from tasks.report.origins import Origins
from tasks.report.page import FOLDER, environment, policy
from tasks.report.pictures import data_uri
from tasks.report.preview import SOURCE, Cell, copy_of, line, shown
from tasks.report.samples import Teller
from tasks.report.statistics import Statistics
from tasks.run.look import Seen
from tasks.run.replay import Replayer
from tasks.store.dataset import Dataset, open_dataset
from tasks.store.keys import ID_DIGITS

TEMPLATE = "way.html.j2"
MOST_ROWS = 24  # shown of a source
SIDE = 120  # px of a picture, the longer side: the page's frames hold it


@dataclass(frozen=True)
class Stage:
    """What a step made on the way: a picture, or in words what there is none of."""

    step: str
    picture: str | None
    said: str


@dataclass(frozen=True)
class Way:
    """One row's way. ``found`` is what the trace found of it; ``replayed`` says whether it is made alike today."""

    found: Mapping[str, Any]
    stages: list[Stage]
    stored: str | None
    same: bool
    replayed: str


@dataclass(frozen=True)
class Loss:
    """How a source was rejected: the verdict, and its way as far as it can be shown."""

    found: Mapping[str, Any]
    stages: list[Stage]
    missing: str


def write_way(root: str | Path, found: Mapping[str, Any], path: Path) -> None:
    """Write the page of what ``tasks.run.trace.trace`` found in a dataset."""
    path.write_text(page(root, found), encoding="utf-8")


def page(root: str | Path, found: Mapping[str, Any]) -> str:
    """Give the page."""
    dataset = open_dataset(root, found["version"])
    style = (FOLDER / "page.css").read_text("utf-8")
    ways = list(_ways(dataset, found["rows"][:MOST_ROWS]))
    first = found["source"] or found["rejected"][0]
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            found=found,
            uri=first["uri"],
            source=first,
            name=dataset.version["name"],
            ways=ways,
            losses=[_loss(dataset, row) for row in found["rejected"]],
            hidden=len(found["rows"]) - len(ways),
            measures=_measures(dataset, found["rows"]),
            policy=policy(style, ""),
            css=Markup(style),
        )
    )


def _ways(dataset: Dataset, rows: list[dict[str, Any]]) -> Iterator[Way]:
    replayer = Replayer(dataset)
    statistics = Statistics(dataset.store, dataset.version)
    pictured = [n for n, schema in dataset.schemas.items() if not {"image", "pixels"}.isdisjoint(schema.names)]
    tellers = {name: Teller(statistics, name) for name in pictured}
    for found in rows:
        output = found["output"]
        row = dataset.row(found["id"], output)
        assert row is not None, "what trace found is there"
        stored = tellers[output].sample(row, SIDE).picture if output in tellers else None
        try:
            again = replayer.replay(row, output)
        except ImagemillError as error:
            again = {"same": False, "message": str(error)}
        yield Way(found, _stages(replayer, row, output), stored, again["same"], again["message"])


def _stages(replayer: Replayer, row: Mapping[str, Any], output: str) -> list[Stage]:
    """Take a row's source through its steps again; nothing where it is gone, or not what it was."""
    if replayer.obstacle is not None:
        return []
    try:
        seen = replayer.look(row)
    except (ImagemillError, OSError):  # said by the replay
        return []
    if seen.course is None or seen.sha256 is None or seen.sha256.hex() != row["source"]["sha256"]:
        return []
    graph = replayer.stage.graph
    wanted = set(graph.output(output).ancestors)
    suffix = re.sub(r"^\.f\d+", "", row["id"][ID_DIGITS:])
    return _along(graph, seen, wanted, suffix, {"uri": row["source"]["uri"], "size": row["source"]["bytes"]})


def _along(graph: Graph, seen: Seen, wanted: set[str], suffix: str, about: Mapping[str, Any]) -> list[Stage]:
    """Give what each step made of one row, or of the row that it was made from."""
    assert seen.course is not None, "it was read"
    copies = copy_of(suffix)
    nodes = [node for node in shown(graph) if node.id in wanted]
    made = line({"label": None, "split": "", **about}, seen.course, nodes, graph, copies, SIDE)
    steps = [SOURCE, *(node.id for node in nodes)]
    cells = {step: _nearest(made.cells, step, suffix) for step in steps}
    return [_stage(step, cell) for step, cell in cells.items() if cell is not None]


def _nearest(cells: Mapping[tuple[str, str], Cell], step: str, suffix: str) -> Cell | None:
    while suffix and (step, suffix) not in cells:
        suffix = suffix.rpartition(".")[0]
    return cells.get((step, suffix))


def _stage(step: str, cell: Cell) -> Stage:
    shot = data_uri(cell.picture) if cell.picture is not None else None
    return Stage(step or "source", shot, "; ".join(filter(None, cell.said)))


def _loss(dataset: Dataset, row: Mapping[str, Any]) -> Loss:
    """Show a rejected source on its way to the step that rejected it."""
    origins = Origins(Statistics(dataset.store, dataset.version))
    about = {"label": row["label"], "split": row["split"]}
    seen = origins.look(row["uri"], row["sha256"], row["frame"] or 0, **about) if row["sha256"] else None
    if seen is None or seen.course is None or origins.looker is None:
        return Loss(row, [], origins.missing)
    graph = origins.looker.plan.graph
    known = {"uri": row["uri"], "size": row["bytes"]}
    before = set(ancestors((row["step"],), graph.nodes) if row["step"] in graph.nodes else graph.nodes)
    return Loss(row, _along(graph, seen, before, "", known), origins.missing)


def _measures(dataset: Dataset, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the measures that the rows hold, by name."""
    columns = {f.name for schema in dataset.schemas.values() for f in schema if str(f.type) == "double"}
    return {name: row[name] for row in rows for name in sorted(columns & row.keys()) if row[name] is not None}
