"""What the shell completes, and the script that makes it: completion."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from flows.commands.face import told

VARIABLE = "_IMAGEMILL_COMPLETE"
PLACES = {
    "bash": "~/.local/share/bash-completion/completions/imagemill",
    "zsh": '"${fpath[1]}/_imagemill"',
    "fish": "~/.config/fish/completions/imagemill.fish",
}


class _Name(click.ParamType[str]):
    """A name that the shell completes; what is wrong with one is the command's to say."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take it as it is."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Give the names that begin so; none where they cannot be read: a completion tells no errors."""
        try:
            return [CompletionItem(name) for name in self.names(ctx) if name.startswith(incomplete)]
        except Exception:  # noqa: BLE001 - the line that is being typed must not fill with messages
            return []

    def names(self, ctx: click.Context) -> Iterable[str]:
        """Give all names."""
        raise NotImplementedError


class _Pipeline(_Name):
    def names(self, ctx: click.Context) -> Iterable[str]:
        from tasks.pipeline.yaml import load

        return dict(load(_file(ctx)).value["pipelines"])


class _Step(_Name):
    def names(self, ctx: click.Context) -> Iterable[str]:
        from tasks.pipeline.spec import read

        pipeline = ctx.params["pipeline"] or ctx.args[0]  # click leaves it there where an option still lacks its value
        return [step.id for step in read(_file(ctx)).pipeline(pipeline).steps]


class _Operation(_Name):
    def names(self, ctx: click.Context) -> Iterable[str]:
        from tasks.operation import registry

        return sorted(registry())


PIPELINE, STEP, OPERATION = _Pipeline(), _Step(), _Operation()


def _file(ctx: click.Context) -> Path:
    return Path(ctx.params.get("file") or "pipelines.yaml")


@click.command()
@click.argument("shell", type=click.Choice(list(PLACES)))
@told
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete commands, options, pipelines, operations and steps.

    \b
    Examples:
      imagemill completion bash > ~/.local/share/bash-completion/completions/imagemill
      imagemill completion zsh > "${fpath[1]}/_imagemill"
      imagemill completion fish > ~/.config/fish/completions/imagemill.fish
    """
    from flows.cli import main

    found = get_completion_class(shell)
    assert found is not None, "click knows all three"
    click.echo(found(main, {}, "imagemill", VARIABLE).source())
    click.echo(f"to install: imagemill completion {shell} > {PLACES[shell]}", err=True)
