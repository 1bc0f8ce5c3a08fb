"""What stays up until it is ended: server."""

from __future__ import annotations

import sys

import click

from flows.commands.face import told


@click.command()
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
