"""What acts on a pipeline file: run, validate, plan, operations, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.commands.face import color, file_option, json_option, told
from flows.commands.shell import OPERATION, PIPELINE

if TYPE_CHECKING:
    from flows.request import Request


@click.command()
@click.argument("pipeline", type=PIPELINE)
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
@click.option("--refit", is_flag=True, help="Fit again what fitted steps are pinned to.")
@click.option("--allow-shrink", is_flag=True, help="Go on though the source is empty, has moved or lost many images.")
@click.option("--explain", is_flag=True, help="Only say what would be read, made and reused, and why.")
@click.option("--quiet", is_flag=True, help="No progress.")
@json_option
@told
def run(pipeline: str, as_json: bool, quiet: bool, explain: bool, **asked: Any) -> None:
    """Run PIPELINE: make its dataset, or bring it up to date.

    \b
    Examples:
      imagemill run quickstart
      imagemill run detection --workers 8 --json
      imagemill run quickstart --source s3://bucket/photos --output results/photos
    """
    from flows.request import Request, submit

    request = Request(pipeline=pipeline, **asked)
    if explain:
        _explain(request, as_json)
        return
    result = submit(request, quiet=quiet)
    if as_json:
        click.echo(json.dumps(result.as_json()))
    else:
        from flows.summary import show

        show(result)


def _explain(request: Request, as_json: bool) -> None:
    from flows.request import explain
    from tasks.run.explain import told as lines

    found = explain(request)
    click.echo(
        json.dumps(found) if as_json else "\n".join([f"{found['pipeline']} -> {found['output']}", *lines(found)])
    )


@click.command()
@click.argument("pipelines", nargs=-1, type=PIPELINE)
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
    from tasks.run.fits import borrowed

    found = read(Path(file))
    checked: dict[str, dict[str, Any]] = {}
    for name in pipelines or found.names:
        graph = build(found.pipeline(name))
        borrowed(graph)
        checked[name] = {"steps": len(graph.nodes), "outputs": [output.name for output in graph.outputs]}
    if as_json:
        click.echo(json.dumps({"file": file, "pipelines": checked}))
        return
    for name, about in checked.items():
        click.echo(f"{name}: {about['steps']} steps -> {', '.join(about['outputs'])}: ok")


@click.command()
@click.argument("pipeline", type=PIPELINE)
@file_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "mermaid"]),
    default="tree",
    show_default=True,
    help="Draw it for the terminal, or in Mermaid's language.",
)
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


@click.command()
@click.argument("name", required=False, type=OPERATION)
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
                click.echo("\n" + click.style(group, bold=True), color=color())
            click.echo(f"  {one['name']:<24} {one['summary']}")


@click.command()
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
