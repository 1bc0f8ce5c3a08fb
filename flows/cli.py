"""The imagemill command: a thin face. What needs no server imports none."""

from __future__ import annotations

from typing import Any

import click

from flows.commands import datasets, export, looking, pipelines, servers, shell, versions
from flows.commands.face import end


class Commands(click.Group):
    """The commands; one that is called wrongly says so in one line, and as JSON where that was asked for."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is named."""
        asked = [*ctx._protected_args, *ctx.args]
        try:
            return super().invoke(ctx)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else ctx.command_path
            end(f"{error.format_message().rstrip('.')}; see `{path} --help`", error.exit_code, "--json" in asked)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="imagemill")
def main() -> None:
    """Turn a large image collection into training-ready Parquet shards.

    One YAML file says what, Prefect says when, Dask says where.

    \b
    Examples:
      imagemill validate                        check pipelines.yaml
      imagemill plan quickstart                 show the steps and what a run would do
      imagemill preview quickstart              draw what each step makes of a few images
      imagemill run quickstart                  run it
      imagemill run quickstart --source photos --output results/photos
      imagemill trace results/quickstart photos/cat.jpg
    """


for module in (looking, pipelines, datasets, export, versions, servers, shell):
    for command in vars(module).values():
        if isinstance(command, click.Command):
            main.add_command(command)


if __name__ == "__main__":
    main()
