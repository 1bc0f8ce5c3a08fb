"""What datasets and pipelines show of themselves in a notebook: counts, splits, steps, a few images."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from tasks.pipeline.graph import Graph, build
from tasks.pipeline.spec import read
from tasks.store.dataset import Dataset, open_dataset
from tasks.store.local import Store

if TYPE_CHECKING:  # every module of a user's operations imports this one, in each worker
    from tasks.report.statistics import Statistics

STRIP = 10  # images


class ShownDataset(Dataset):
    """A dataset that shows itself in a notebook."""

    def _repr_html_(self) -> str:
        from tasks.report.statistics import Statistics

        counts, version = self.version["counts"], self.version
        statistics = Statistics(self.store, version)
        head = f"<b>{escape(version['name'])}</b>, version {version['version']}, {escape(version['created'])}"
        total = f"{counts['listed']:,} listed = {counts['kept']:,} kept + {counts['rejected']:,} rejected"
        rows = [
            [name, *(counts["rows"].get(name, {}).get(split, 0) for split in statistics.splits)]
            for name in self.outputs
        ]
        parts = [f"<p>{head}<br>{total}</p>", _table(["rows", *statistics.splits], rows)]
        if counts["reasons"]:
            parts.append(_table(["rejected", "images"], sorted(counts["reasons"].items(), key=lambda one: -one[1])))
        return "<div>" + "".join(parts) + _strip(statistics) + "</div>"


@dataclass(frozen=True)
class Pipeline:
    """A checked pipeline that shows itself in a notebook; ``preview`` draws what it makes of a few images."""

    graph: Graph

    def preview(self, number: int = 8, step: str | None = None, copies: int = 2) -> Image.Image:
        """Draw the contact sheet: a line a source, a column a step. Nothing is started or written."""
        from tasks.report.preview import preview
        from tasks.report.sheet import sheet

        spec = self.graph.spec
        made = preview(self.graph, spec.source, Store(Path(spec.output)), number, step, copies)
        return Image.open(io.BytesIO(sheet(made)))

    def _repr_html_(self) -> str:
        spec = self.graph.spec
        rows = [
            [
                node.id,
                node.operation.name(),
                ", ".join(node.needs) or "source",
                ", ".join(f"{name} = {value}" for name, value in node.where.items()),
                f"{node.size.width} x {node.size.height}" if node.size else "",
                f"{total:,}" if (total := sum(count for count, _ in node.rows.values())) > 1 else "",
            ]
            for node in self.graph.nodes.values()
        ]
        outputs = [[output.name, ", ".join(output.spec.sources), output.form] for output in self.graph.outputs]
        return (
            f"<div><p><b>{escape(spec.name)}</b> {escape(spec.description)}<br>{escape(spec.source.path)}</p>"
            + _table(["step", "operation", "after", "where", "size", "rows a source"], rows)
            + _table(["output", "from", "form"], outputs)
            + "</div>"
        )


def shown_dataset(root: str | Path, version: int | None = None) -> ShownDataset:
    """Open a dataset that imagemill made: the newest version, or the one of this number.

    Raises ``RequestError`` where ``root`` holds none.
    """
    found = open_dataset(root, version)
    return ShownDataset(found.store, found.version)


def pipeline(name: str, file: str | Path = "pipelines.yaml") -> Pipeline:
    """Read and check a pipeline of a file. Raises ``RequestError`` with every mistake of the file."""
    return Pipeline(build(read(Path(file)).pipeline(name)))


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    def cells(tag: str, values: Sequence[Any]) -> str:
        shown = [f"{value:,}" if isinstance(value, int) else escape(str(value)) for value in values]
        return "".join(f"<{tag}>{value}</{tag}>" for value in shown)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def _strip(statistics: Statistics) -> str:
    from tasks.report.samples import SMALL, Teller, picture_output

    output = picture_output(statistics)
    if output is None:
        return ""
    teller = Teller(statistics, output)
    rows = islice((row for split in statistics.splits for row in teller.originals(split, STRIP)), STRIP)
    samples = [teller.sample(row, SMALL) for row in rows]
    return "".join(
        f'<img src="{one.picture}" title="{escape(one.name)}" alt="{escape(one.name)}" style="margin: 2px">'
        for one in samples
        if one.picture
    )
