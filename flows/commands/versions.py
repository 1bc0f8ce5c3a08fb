"""What goes through a dataset's versions: history, rollback, clean."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from flows.commands.face import json_option, told


class Period(click.ParamType[float]):
    """A length of time: ``7 days``, ``12 hours``, or ``0``. Its value is in seconds."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        from tasks.pipeline.models import seconds

        try:
            return float(seconds(value)) if value != "0" else 0.0
        except ValueError:
            self.fail(f"expected a length of time such as '7 days', '12 hours' or 0, got {value!r}", param, ctx)


@click.command()
@click.argument("dataset", type=click.Path())
@click.option("-n", "--last", type=click.IntRange(min=1), default=20, show_default=True, help="Only the newest N.")
@json_option
@told
def history(dataset: str, last: int, as_json: bool) -> None:
    """List the versions of DATASET, newest first: when, what they hold, what each changed.

    \b
    Examples:
      imagemill history results/quickstart
      imagemill history results/quickstart --last 3 --json
    """
    from tasks.store.dataset import open_dataset
    from tasks.store.history import history as listed

    found = listed(open_dataset(dataset).store, last)
    if as_json:
        click.echo(json.dumps({"dataset": dataset, "versions": found}))
        return
    for one in found:
        click.echo("\n".join(_lines(one)))


def _lines(one: dict[str, Any]) -> list[str]:
    rows = ", ".join(f"{name} {count:,}" for name, count in one["rows"].items())
    about = [f"{one['listed']:,} listed = {one['kept']:,} kept + {one['rejected']:,} rejected", f"rows: {rows}"]
    mark, created = "*" if one["current"] else " ", one["created"].replace("T", " ")
    lines = [f"{mark} version {one['version']}  {created}  {one['pipeline']}", f"    {'; '.join(about)}"]
    if one["restored"] is not None:
        lines.append(f"    rolled back to version {one['restored']}")
    elif one["run_id"]:
        lines.append(f"    run {one['run_id']}")
    if one["changes"]:
        lines.append(f"    against version {one['parent']}: {_changes(one['changes'])}")
    elif one["parent"] is not None:
        lines.append(f"    version {one['parent']}, which it followed, is cleaned away")
    return lines


def _changes(changes: dict[str, Any]) -> str:
    parts = [f"sources {_signed(changes['sources'])}"]
    parts += [f"{name} {_signed(rows)} rows" for name, rows in changes["rows"].items()]
    return f"{'; '.join(parts)}; {changes['files_written']} files written, {changes['files_kept']} kept"


def _signed(rows: dict[str, int]) -> str:
    return f"+{rows['added']:,} -{rows['removed']:,} ~{rows['changed']:,}"


@click.command()
@click.argument("dataset", type=click.Path())
@click.argument("version", type=click.IntRange(min=1))
@json_option
@told
def rollback(dataset: str, version: int, as_json: bool) -> None:
    """Go back: commit a new version of DATASET with the contents of VERSION, and show it.

    Nothing is removed: the versions in between stay, and a rollback can be rolled back. The next run of the pipeline
    brings the dataset up to date again.

    \b
    Example:
      imagemill rollback results/quickstart 3
    """
    from tasks.report.publish import rollback as rolled_back

    made, changed = rolled_back(dataset, version)
    if as_json:
        click.echo(json.dumps({"dataset": dataset, "version": made["version"], "of": version, "changed": changed}))
    elif changed:
        click.echo(f"{dataset}: version {made['version']} has the contents of version {version}, and is shown")
    else:
        click.echo(f"{dataset}: version {made['version']}, the newest, has these contents already; nothing was written")


@click.command()
@click.argument("dataset", type=click.Path())
@click.option("--keep", type=click.IntRange(min=1), default=1, show_default=True, help="Keep the newest N versions.")
@click.option(
    "--older-than",
    type=Period(),
    default="7 days",
    show_default=True,
    help="Spare what was replaced, or left behind, more recently: somebody may be reading it.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
@told
def clean(dataset: str, keep: int, older_than: float, dry_run: bool, as_json: bool) -> None:
    """Remove old versions of DATASET and the files that none names any more, those of killed runs among them.

    A version goes when it is not among the newest N and was replaced longer ago than the given time. What a version
    that stays names is never touched.

    \b
    Examples:
      imagemill clean results/quickstart --dry-run
      imagemill clean results/quickstart --keep 3 --older-than "30 days"
    """
    from tasks.report.publish import clean as cleaned

    found = cleaned(dataset, keep, older_than, dry_run)
    if as_json:
        click.echo(json.dumps({"dataset": dataset, "dry_run": dry_run, **asdict(found)}))
        return
    for name in found.files:
        click.echo(name)
    versions = f"versions {', '.join(map(str, found.versions))}" if found.versions else "no version"
    would = "would be removed" if dry_run else "removed"
    click.echo(f"{dataset}: {versions} and {len(found.files):,} files ({found.bytes / 1e6:,.1f} MB) {would}")
