"""What writes a dataset in another format."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from flows.commands.face import json_option, told


@click.command()
@click.argument("dataset", type=click.Path())
@click.option(
    "--to",
    required=True,
    type=click.Choice(["webdataset", "imagefolder", "coco", "voc", "yolo", "lance"]),
    help="The format to write.",
)
@click.option("--output", type=click.Path(), help="The folder to write; by default DATASET-FORMAT.")
@click.option("--split", help="Only this split.")
@click.option("--from", "rows_of", metavar="NAME", help="The dataset's output to take; by default its first.")
@click.option("--version", type=int, help="This version; by default the newest.")
@json_option
@told
def export(
    dataset: str,
    to: str,
    output: str | None,
    split: str | None,
    rows_of: str | None,
    version: int | None,
    as_json: bool,
) -> None:
    """Write DATASET as others lay datasets out. Images keep their bytes; the result is whole or not there.

    \b
    Examples:
      imagemill export results/quickstart --to webdataset
      imagemill export results/detection --to coco --split train --output coco
    """
    from tasks.store.dataset import open_dataset
    from tasks.store.export import export as exported

    opened = open_dataset(dataset, version)
    target = Path(output) if output else _beside(dataset, to)
    total = sum(entry["rows"] for entry in opened.entries(rows_of, split))
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=total, label=f"writing {to}", file=sys.stderr, hidden=hidden) as bar:
        found = exported(opened, to, target, rows_of, split, bar.update)
    rows = ", ".join(f"{name} {count:,}" for name, count in found["rows"].items())
    click.echo(json.dumps(found) if as_json else f"{found['path']}: {rows} (version {found['version']})")


def _beside(dataset: str, to: str) -> Path:
    """Give the folder beside a dataset; of one at a URL, here."""
    if "://" in dataset:
        return Path(f"{dataset.rstrip('/').rpartition('/')[2]}-{to}")
    root = Path(dataset).absolute()
    return root.with_name(f"{root.name}-{to}")
