"""How a command's list is looked at: --sort, --filter and --export."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.output import Progress, print_json
from console.desk import Desk
from console.plain import inert
from store import views
from store.views import View

if TYPE_CHECKING:
    from jobs.exports import Listed


def view_options(columns: Mapping[str, Any]) -> Callable[[Any], Any]:
    """The options of a list with these columns: the command is given `view` and `export`."""
    names = ", ".join(columns)

    def add(command: Any) -> Any:
        def look(context: click.Context, _: click.Parameter, given: Sequence[str]) -> View:
            sort = context.params.pop("sort", None) or ""
            filters = tuple(_pair(one) for one in given)
            view = View(sort.removeprefix("-"), sort.startswith("-"), filters)
            views.check(columns, view)
            return view

        for option in (
            click.option(
                "--export",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Write all of it to FILE instead: .csv, .ndjson or .db (SQLite). The audit keeps it.",
            ),
            click.option(
                "--filter",
                "view",
                multiple=True,
                callback=look,
                metavar="COLUMN=WORDS",
                help="Only rows that are so, such as 'name=^an', 'points=>500' or 'status=!active'; can be "
                "given several times. `-` is for no value.",
            ),
            click.option(
                "--sort",
                is_eager=True,
                metavar="COLUMN",
                help=f"Order by it; -COLUMN from the last to the first. Columns: {names}.",
            ),
        ):
            command = option(command)
        return command

    return add


def _pair(given: str) -> tuple[str, str]:
    column, equals, words = given.partition("=")
    if not (equals and column.strip()):
        raise click.BadParameter(f"write COLUMN=WORDS, such as 'points=>500', not {given!r}")
    return column.strip(), words


def export_list(desk: Desk, path: Path, listed: Listed, as_json: bool) -> None:
    """Write the list, and say how many rows went where."""
    from jobs.exports import write

    with Progress() as bar:
        count = write(
            desk.database,
            path,
            listed,
            actor=desk.actor,
            progress=lambda done, total: bar.show(path.name, done, total),
        )
    if as_json:
        print_json({"file": str(path), "rows": count})
    else:
        click.echo(f"{desk.settings.mode}: wrote {count:,} {listed.name} to {inert(str(path))}")
