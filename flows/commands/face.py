"""What all commands share: how errors are told, the options that many have."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import Any, NoReturn

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
            end(str(error), error.exit_code, options.get("as_json"))
        except BrokenPipeError:  # whoever read us is gone, as after `| head`: click knows
            raise
        except OSError as error:  # the disk or the network, not a bug
            end(str(error), 1, options.get("as_json"))
        except KeyboardInterrupt:
            click.echo("interrupted: what is done stays staged; run again to go on", err=True)
            sys.exit(130)

    return wrapped


def end(error: str, code: int, as_json: Any) -> NoReturn:
    """Tell an error, also as JSON where that was asked for, and end with its code."""
    if as_json:
        click.echo(json.dumps({"error": error, "exit_code": code}))
    click.echo(click.style("error: ", fg="red", bold=True) + error, err=True, color=color())
    sys.exit(code)


def color() -> bool | None:
    """Say whether to colour: not where NO_COLOR is set, else where the stream is a terminal."""
    import os

    return False if os.environ.get("NO_COLOR") else None
