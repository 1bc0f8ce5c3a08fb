"""The closing lines of a run in the terminal: what came out, what did not, where it lies."""

from __future__ import annotations

import os
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from flows.request import Result

PAGE = "http://127.0.0.1:4200/runs/flow-run/{}  (once `imagemill server` runs)"


def show(result: Result) -> None:
    """Print the summary on standard output."""
    # NO_COLOR alone leaves rich's bold and dim: without a colour system it writes no style at all.
    plain = bool(os.environ.get("NO_COLOR"))
    console = Console(color_system=None if plain else "auto", no_color=plain, highlight=False, soft_wrap=True)
    if not result.changed:
        console.print(f"{result.pipeline}: unchanged since version {result.version}; nothing was written")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_row("sources", f"{result.sources:,}")
    table.add_row("kept", f"{result.kept:,}")
    table.add_row("rejected", f"{result.rejected:,}")
    _reasons(table, result.reasons)
    if result.flagged:
        table.add_row("flagged", "")
        _reasons(table, result.flagged)
    for name, splits in result.outputs.items():
        shares = ", ".join(f"{split} {count:,}" for split, count in splits.items())
        table.add_row(f"rows in {name}", f"{sum(splits.values()):,}  ({shares})")
    for name, fit in result.fits.items():
        table.add_row(name, fit)
    table.add_row("seconds", f"{result.seconds:,.1f}")
    if result.made:
        table.add_row("images a second", f"{result.images_per_second:,.0f}")
    console.print(table)
    console.print(f"dataset    {result.output}")
    console.print(f"report     {result.report}")
    console.print(f"dashboard  {result.run_page or PAGE.format(result.run_id)}")


def _reasons(table: Table, counts: Mapping[str, int]) -> None:
    for reason, count in sorted(counts.items(), key=lambda pair: -pair[1]):
        table.add_row(f"  {reason}", f"{count:,}")
