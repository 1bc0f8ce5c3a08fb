"""What stays up until it is ended, and what is registered there: server, serve, deploy."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from flows.commands.face import file_option, json_option, told
from flows.commands.shell import PIPELINE
from tasks.errors import RequestError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(1, 65_535), default=4200, show_default=True, help="The port to listen at.")
@click.option(
    "--database", metavar="URL", help="postgresql://USER:PASSWORD@HOST/NAME instead of SQLite in PREFECT_HOME."
)
@told
def server(host: str, port: int, database: str | None) -> None:
    """Start Prefect's server and its pages here, with the runs that were made without one; Ctrl-C ends it.

    \b
    Examples:
      imagemill server
      imagemill server --database postgresql://prefect:secret@localhost/prefect
      # then, in another terminal:
      PREFECT_API_URL=http://127.0.0.1:4200/api imagemill run quickstart
    """
    from flows.server import database_url, is_free
    from flows.settings import isolate

    if not is_free(host, port):
        raise RequestError(f"{host}:{port} cannot be listened at: a server may be there already; name another --port")
    if database is not None:
        os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database_url(database)
    isolate()
    click.echo(f"Runs are shown at http://{host}:{port}; to report there: PREFECT_API_URL=http://{host}:{port}/api")
    arguments = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    os.execv(sys.executable, arguments)


@click.command()
@click.argument("pipelines", nargs=-1, type=PIPELINE)
@file_option
@told
def serve(pipelines: tuple[str, ...], file: str) -> None:
    """Run PIPELINES (all of the file where none is named) by their `schedule:` and `watch:`, until Ctrl-C.

    Each is a deployment on Prefect's pages, where it can be started by hand too. What changes in the file is followed.
    The server is the one that PREFECT_API_URL names, else that at port 4200 here, started where there is none.

    \b
    Examples:
      imagemill serve
      imagemill serve quickstart --file my/pipelines.yaml
    """
    from flows.server import found, standing
    from flows.settings import isolate
    from tasks.pipeline.graph import build
    from tasks.pipeline.spec import read

    known = read(Path(file))
    for name in pipelines or known.names:
        build(known.pipeline(name))
    isolate()
    url = found()
    if url is None:
        _say("starting a server ...")
        url = standing().url
    os.environ["PREFECT_API_URL"] = url  # for the runs
    from flows.deployments import at_server
    from flows.serving import serve as served

    with at_server(url):
        _say(f"serving {file}; look at {url.rstrip('/').removesuffix('/api')}/deployments; Ctrl-C ends it")
        import asyncio

        asyncio.run(served(Path(file), pipelines, _say))


@click.command()
@click.argument("pipelines", nargs=-1, required=True, type=PIPELINE)
@click.option("--pool", required=True, help="The work pool whose workers run them.")
@click.option("--image", help="The container image that the pool's workers start, with imagemill in it.")
@click.option(
    "--file-there", metavar="PATH", help="The pipeline file where the workers run, if it lies elsewhere there."
)
@click.option("--write", type=click.Path(dir_okay=False), help="Write the prefect.yaml here instead of printing it.")
@file_option
@json_option
@told
def deploy(
    pipelines: tuple[str, ...],
    pool: str,
    image: str | None,
    file_there: str | None,
    write: str | None,
    file: str,
    as_json: bool,
) -> None:
    """Register PIPELINES with their schedules at a work pool of PREFECT_API_URL's server, and print a prefect.yaml.

    The prefect.yaml says the same, for those who keep their deployments there.

    \b
    Examples:
      imagemill deploy detection --pool gpu-nodes
      imagemill deploy detection xray --pool k8s --image registry/imagemill:1 --file-there /data/pipelines.yaml
    """
    from flows.server import found
    from flows.settings import isolate

    isolate()
    from flows.deployments import at_server, prefect_yaml, read_deployments, register

    deployments = read_deployments(Path(file), pipelines, there=file_there)
    url = found()
    if url is None:
        raise RequestError("there is no server that stays: start one (`imagemill server`), or set PREFECT_API_URL")
    with at_server(url):
        import asyncio

        ids = asyncio.run(register(deployments.values(), pool, image))
    text = prefect_yaml(deployments, pool, image)
    for name in ids:
        _say(f"{name}: deployed to {pool}")
    if write is not None:
        Path(write).write_text(text, "utf-8")
    if as_json:
        click.echo(json.dumps({"pool": pool, "deployments": {name: str(one) for name, one in ids.items()}}))
    elif write is None:
        click.echo(text, nl=False)


def _say(line: str) -> None:
    click.echo(line, err=True)
