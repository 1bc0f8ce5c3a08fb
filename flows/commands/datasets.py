"""What looks into a dataset: trace, replay, verify, report."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from flows.commands.face import json_option, told


@click.command()
@click.argument("dataset", type=click.Path())
@click.argument("row")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with the picture after every step here.",
)
@json_option
@told
def trace(dataset: str, row: str, html: Path | None, as_json: bool) -> None:
    """Show the way from a source to its rows in DATASET, or to its rejection. ROW is a row's id or a source's URI.

    \b
    Examples:
      imagemill trace results/quickstart photos/cat.jpg
      imagemill trace results/quickstart 7fe44fb1ff1568712589.augmented:1
      imagemill trace results/quickstart photos/cat.jpg --html cat.html
    """
    from tasks.run.trace import drawn
    from tasks.run.trace import trace as traced

    found = traced(dataset, row)
    if html is not None:
        from tasks.report.way import write_way

        write_way(dataset, found, html)
    if as_json:
        click.echo(json.dumps({**found, **({"html": str(html)} if html else {})}, default=str))
    else:
        click.echo(drawn(found) if html is None else str(html))


@click.command()
@click.argument("dataset", type=click.Path())
@click.argument("row")
@json_option
@told
def replay(dataset: str, row: str, as_json: bool) -> None:
    """Make ROW of DATASET again from its source, and compare bytes. ROW may be OUTPUT:ID.

    \b
    Example:
      imagemill replay results/quickstart 7fe44fb1ff1568712589.augmented:1
    """
    from tasks.run.replay import replay as replayed

    found = replayed(dataset, row)
    click.echo(json.dumps(found) if as_json else f"{found['id']} in {found['output']}: {found['message']}")
    sys.exit(0 if found["same"] else 1)


@click.command()
@click.argument("dataset", type=click.Path())
@click.option("--all", "everything", is_flag=True, help="Replay every row.")
@click.option("--sample", type=click.IntRange(min=0), default=20, show_default=True, help="Replay this many rows.")
@json_option
@told
def verify(dataset: str, everything: bool, sample: int, as_json: bool) -> None:
    """Check DATASET: every checksum, the sum of its sources, that images decode, and replay rows to the same bytes.

    \b
    Examples:
      imagemill verify results/quickstart
      imagemill verify results/quickstart --all
    """
    from tasks.run.verify import verify as verified

    found = verified(dataset, None if everything else sample)
    if as_json:
        click.echo(json.dumps(found))
    else:
        for problem in found["problems"]:
            click.echo(problem)
        click.echo(
            f"{found['files']} files, {found['rows']} rows, {found['replayed']} replayed: "
            + ("all is as it was committed" if not found["problems"] else f"{len(found['problems'])} problems")
        )
    sys.exit(0 if not found["problems"] else 1)


@click.command()
@click.argument("dataset", type=click.Path())
@json_option
@told
def report(dataset: str, as_json: bool) -> None:
    """Write report.html of DATASET again. Sources that are still there are read for pictures.

    \b
    Example:
      imagemill report results/quickstart
    """
    from tasks.report.page import write_report

    path = write_report(dataset)
    click.echo(json.dumps({"report": path}) if as_json else path)


@click.command()
@click.argument("a", type=click.Path())
@click.argument("b", type=click.Path())
@click.option(
    "--fail-on",
    type=click.Choice(["moderate", "large"]),
    help="Exit with 1 where the drift is at least so large: for pipelines that should stop then.",
)
@click.option("--html", type=click.Path(dir_okay=False), help="Write the comparison as a page with charts, too.")
@json_option
@told
def compare(a: str, b: str, fail_on: str | None, html: str | None, as_json: bool) -> None:
    """Compare the distributions of dataset B with those of A: is today's delivery like yesterday's?

    Measures, labels, categories, what became of the images, and features, the largest drift first. PSI is the
    population stability index over A's deciles (from 0.1 moderate, from 0.25 large), KS the greatest distance of two
    distributions (from 0.125 and 0.2), the higher of both counts, if chance does not explain it. DATASET@3 is version 3
    of DATASET.

    \b
    Examples:
      imagemill compare results/monday results/tuesday
      imagemill compare results/quickstart@1 results/quickstart --fail-on large
      imagemill compare results/monday results/tuesday --html drift.html
    """
    from tasks.report.drift import LEVELS, drawn
    from tasks.report.drift import compare as compared

    found = compared(a, b)
    if html is not None:
        from tasks.report.drift_page import write_comparison

        write_comparison(found, Path(html))
    click.echo(json.dumps(found.as_json()) if as_json else drawn(found))
    sys.exit(1 if fail_on and LEVELS.index(found.level) >= LEVELS.index(fail_on) else 0)
