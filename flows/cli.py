"""The imagemill command: a thin face. What needs no server imports none."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tasks.errors import ImagemillError

F = Callable[..., Any]

file_option = click.option(
    "-f", "--file", default="pipelines.yaml", show_default=True, type=click.Path(), help="The pipeline file."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")


def told(command: F) -> F:
    """Show an error that is meant for people in one message, without a traceback, with its exit code."""

    @functools.wraps(command)
    def wrapped(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except ImagemillError as error:
            if options.get("as_json"):
                click.echo(json.dumps({"error": str(error), "exit_code": error.exit_code}))
            click.echo(click.style("error: ", fg="red", bold=True) + str(error), err=True, color=_color())
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted: what is done stays staged; run again to go on", err=True)
            sys.exit(130)

    return wrapped


def _color() -> bool | None:
    import os

    return False if os.environ.get("NO_COLOR") else None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="imagemill")
def main() -> None:
    """Turn a large image collection into training-ready Parquet shards.

    One YAML file says what, Prefect says when, Dask says where.

    \b
    Examples:
      imagemill validate                        check pipelines.yaml
      imagemill plan quickstart                 show the steps and what a run would do
      imagemill run quickstart                  run it
      imagemill run quickstart --source photos --output results/photos
      imagemill trace results/quickstart photos/cat.jpg
    """


@main.command()
@click.argument("pipeline")
@file_option
@click.option("--source", help="Read this folder, file or URL instead of the pipeline's source.")
@click.option("--output", help="Write this dataset instead of the pipeline's output.")
@click.option("--seed", type=click.IntRange(min=0), help="Draw with this seed instead of the pipeline's.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes; by default one a CPU.")
@click.option("--scheduler", help="The address of a running Dask scheduler, such as tcp://host:8786.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the N smallest keys, into OUTPUT-limitN.")
@click.option(
    "--check",
    type=click.Choice(["etag", "content"]),
    default="etag",
    show_default=True,
    help="What tells a changed file: size and etag (else time), or reading it all.",
)
@click.option("--fresh", is_flag=True, help="Make everything again, whatever is known.")
@click.option("--allow-shrink", is_flag=True, help="Go on though the source is empty, has moved or lost many images.")
@click.option("--quiet", is_flag=True, help="No progress.")
@json_option
@told
def run(pipeline: str, as_json: bool, quiet: bool, **asked: Any) -> None:
    """Run PIPELINE: make its dataset, or bring it up to date.

    \b
    Examples:
      imagemill run quickstart
      imagemill run detection --workers 8 --json
      imagemill run quickstart --source s3://bucket/photos --output results/photos
    """
    from flows.request import Request, submit

    result = submit(Request(pipeline=pipeline, **asked), quiet=quiet)
    if as_json:
        click.echo(json.dumps(result.as_json()))
    else:
        from flows.summary import show

        show(result)


@main.command()
@click.argument("pipelines", nargs=-1)
@file_option
@json_option
@told
def validate(pipelines: tuple[str, ...], file: str, as_json: bool) -> None:
    """Check the whole file, and the graphs of PIPELINES (all of them where none is named). Nothing is started.

    \b
    Examples:
      imagemill validate
      imagemill validate detection --file my/pipelines.yaml
    """
    from tasks.pipeline.graph import build
    from tasks.pipeline.spec import read

    found = read(Path(file))
    checked: dict[str, dict[str, Any]] = {}
    for name in pipelines or found.names:
        graph = build(found.pipeline(name))
        checked[name] = {"steps": len(graph.nodes), "outputs": [output.name for output in graph.outputs]}
    if as_json:
        click.echo(json.dumps({"file": file, "pipelines": checked}))
        return
    for name, about in checked.items():
        click.echo(f"{name}: {about['steps']} steps -> {', '.join(about['outputs'])}: ok")


@main.command()
@click.argument("pipeline")
@file_option
@click.option("--format", "form", type=click.Choice(["tree", "mermaid"]), default="tree", show_default=True)
@click.option("--source", help="Plan for this source instead of the pipeline's.")
@click.option("--output", help="Plan on top of this dataset instead of the pipeline's output.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the N smallest keys.")
@json_option
@told
def plan(pipeline: str, form: str, as_json: bool, **asked: Any) -> None:
    """Show the steps of PIPELINE as a graph, its fused groups, and what a run would make. Nothing is started.

    \b
    Examples:
      imagemill plan detection
      imagemill plan detection --format mermaid
    """
    from flows.request import Request
    from tasks.run.plan import drawn, mermaid, planned

    request = Request(pipeline=pipeline, **asked)
    graph = request.graph()
    if form == "mermaid" and not as_json:
        click.echo(mermaid(graph))
        return
    found = planned(graph, request.source_of(graph.spec), request.store_of(graph.spec), request.limit)
    click.echo(json.dumps(found) if as_json else drawn(graph, found))


@main.command()
@click.argument("name", required=False)
@json_option
@told
def operations(name: str | None, as_json: bool) -> None:
    """List the operations, or show one: its parameters, defaults, source and an example.

    \b
    Examples:
      imagemill operations
      imagemill operations rotate
    """
    from tasks.pipeline.reference import describe, listing, page

    if name is not None:
        click.echo(json.dumps(describe(name)) if as_json else page(name))
    elif as_json:
        click.echo(json.dumps(listing()))
    else:
        group = ""
        for one in listing():
            if one["group"] != group:
                group = one["group"]
                click.echo("\n" + click.style(group, bold=True), color=_color())
            click.echo(f"  {one['name']:<24} {one['summary']}")


@main.command()
@told
def schema() -> None:
    """Print the JSON Schema of the pipeline file, for editors that complete from it.

    \b
    Example:
      imagemill schema > pipelines.schema.json
      # then, first in pipelines.yaml:  # yaml-language-server: $schema=pipelines.schema.json
    """
    from tasks.pipeline.json_schema import schema as made

    click.echo(json.dumps(made(), indent=1))


@main.command()
@click.argument("dataset", type=click.Path())
@click.argument("row")
@json_option
@told
def trace(dataset: str, row: str, as_json: bool) -> None:
    """Show the way from a source to its rows in DATASET, or to its rejection. ROW is a row's id or a source's URI.

    \b
    Examples:
      imagemill trace results/quickstart photos/cat.jpg
      imagemill trace results/quickstart 7fe44fb1ff1568712589.augmented:1
    """
    from tasks.run.trace import drawn
    from tasks.run.trace import trace as traced

    found = traced(dataset, row)
    click.echo(json.dumps(found) if as_json else drawn(found))


@main.command()
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


@main.command()
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


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(1, 65_535), default=4200, show_default=True, help="The port to listen at.")
@told
def server(host: str, port: int) -> None:
    """Start Prefect's server and its pages here, with the runs that were made without one; Ctrl-C ends it.

    \b
    Example:
      imagemill server
      # then, in another terminal:
      PREFECT_API_URL=http://127.0.0.1:4200/api imagemill run quickstart
    """
    import os

    from flows.settings import isolate

    isolate()
    click.echo(f"Runs are shown at http://{host}:{port}; to report there: PREFECT_API_URL=http://{host}:{port}/api")
    arguments = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    os.execv(sys.executable, arguments)


@main.command()
@click.argument("dataset", type=click.Path())
@json_option
@told
def report(dataset: str, as_json: bool) -> None:
    """Write report.html of DATASET again, from the dataset alone.

    \b
    Example:
      imagemill report results/quickstart
    """
    from tasks.report.page import write_report
    from tasks.store.dataset import open_dataset

    open_dataset(dataset)
    path = write_report(Path(dataset))
    click.echo(json.dumps({"report": str(path)}) if as_json else str(path))


if __name__ == "__main__":
    main()
