"""What shows before anything runs: preview."""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from flows.commands.face import file_option, json_option, told
from flows.commands.shell import PIPELINE, STEP
from tasks.errors import ImagemillError, RequestError

LOOK_EVERY = 0.3  # seconds between two looks at the files that are watched
USED = re.compile(r"\buse:\s*[\"']?([\w.]+):")


@click.command()
@click.argument("pipeline", type=PIPELINE)
@file_option
@click.option("-n", "number", type=click.IntRange(1, 100), default=8, show_default=True, help="Show this many images.")
@click.option("--source", help="Read this folder, file or URL instead of the pipeline's source.")
@click.option(
    "--output",
    default="preview.png",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the sheet here.",
)
@click.option("--step", type=STEP, help="Only the way to this step.")
@click.option("--copies", type=click.IntRange(0, 100), default=2, show_default=True, help="Show this many copies.")
@click.option("--seed", type=click.IntRange(min=0), help="Draw with this seed instead of the pipeline's.")
@click.option("--watch", is_flag=True, help="Draw again when the pipeline file, or a module it uses, changes.")
@json_option
@told
def preview(pipeline: str, file: str, output: Path, watch: bool, as_json: bool, **asked: Any) -> None:
    """Draw what each step of PIPELINE makes of a few images, as one picture. Nothing is started, no dataset written.

    The images are those of the smallest keys, so the same every time. A picture is that of the pipeline ending there.

    \b
    Examples:
      imagemill preview quickstart
      imagemill preview quickstart -n 4 --step augmented --copies 6
      imagemill preview detection --watch
    """
    if watch and as_json:
        raise RequestError("--watch draws again and again, --json prints one object: leave one out")
    if watch:
        with suppress(KeyboardInterrupt):  # its only end
            _watch(pipeline, file, output, asked)
        return
    made = _draw(pipeline, file, output, **asked)
    if as_json:
        click.echo(json.dumps({"output": str(output), **made}))
    else:
        _show(output)


def _draw(
    pipeline: str,
    file: str,
    output: Path,
    number: int,
    source: str | None,
    step: str | None,
    copies: int,
    seed: int | None,
) -> dict[str, Any]:
    """Write the sheet, whole, and give what it shows."""
    from flows.request import Request
    from tasks.report.preview import preview as previewed
    from tasks.report.sheet import sheet

    request = Request(pipeline=pipeline, file=file, source=source, seed=seed)
    graph = request.graph()
    made = previewed(graph, request.source_of(graph.spec), request.store_of(graph.spec), number, step, copies)
    aside = output.with_name(f".{output.name}.tmp")
    try:
        aside.write_bytes(sheet(made))
        aside.replace(output)
    except OSError as error:
        raise ImagemillError(f"{output}: cannot be written ({error.strerror}); name another --output") from error
    return made.as_json()


def _show(output: Path) -> None:
    """Show the sheet in a terminal that can, and say where it lies."""
    if sys.stdout.isatty():
        _inline(output)
    click.echo(str(output))


def _inline(output: Path) -> None:
    try:
        from rich.console import Console
        from textual_image.renderable import Image  # asks the terminal at import what it can show

        Console().print(Image(output, width="100%"))
    except ImportError:
        click.echo("to see it here: pip install 'imagemill[terminal]'", err=True)
    except Exception as error:  # noqa: BLE001 - the terminal's own ways; of size 0 it divides by zero
        click.echo(f"this terminal shows no pictures ({type(error).__name__}: {error})", err=True)


def _watch(pipeline: str, file: str, output: Path, asked: dict[str, Any]) -> None:
    """Draw at each change; what is wrong with the file is shown, and mended by the next change."""
    before: dict[Path, tuple[int, int]] | None = None
    while True:
        now = _state(Path(file))
        if now != before:
            before = now
            start = time.monotonic()
            try:
                _draw(pipeline, file, output, **asked)
            except ImagemillError as error:
                click.echo(f"{time.strftime('%H:%M:%S')}  {error}", err=True)
            else:
                click.echo(f"{time.strftime('%H:%M:%S')}  drawn in {time.monotonic() - start:.1f} s", err=True)
                _show(output)
        time.sleep(LOOK_EVERY)


def _state(file: Path) -> dict[Path, tuple[int, int]]:
    """Give time and size of the pipeline file and of the modules that it names, broken as it may be."""
    found: dict[Path, tuple[int, int]] = {}
    try:
        text = file.read_text("utf-8", errors="replace")
    except OSError:
        return found
    for path in (file, *(file.parent / f"{name.replace('.', '/')}.py" for name in USED.findall(text))):
        if path.is_file():
            about = path.stat()
            found[path] = (about.st_mtime_ns, about.st_size)
    return found
