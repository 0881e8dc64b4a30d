"""`passbell blasts list`, `deliveries` and `batches`."""

from __future__ import annotations

from pathlib import Path

import click

from console.cli.blast_words import say_when
from console.cli.options import blast_argument, json_option, with_desk
from console.cli.output import LARGEST, note, print_json, print_table
from console.cli.view import export_list, view_options
from console.desk import Desk
from store import deliveries as store
from store import ledger, programs, views
from store.blast_lists import BATCH_COLUMNS, BLAST_COLUMNS, DELIVERY_COLUMNS, batch_ids, blast_ids
from store.times import rfc3339
from store.views import View

PAGE = 500
ENDED = ("finished", "cancelled")


@click.command(
    "list",
    epilog="\b\nExamples:\n  passbell blasts list --json | jq 'select(.state == \"held\")'"
    "\n  passbell blasts list --filter state=running,held --sort -failed",
)
@click.option("--program", metavar="ID", help="Only those of one program.")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, LARGEST), help="At most so many."
)
@view_options(BLAST_COLUMNS)
@json_option
@with_desk
def list_(
    desk: Desk, program: str | None, limit: int, view: View, export: Path | None, as_json: bool
) -> None:
    """Blasts, the newest first."""
    account = desk.settings.account
    with desk.database.read() as connection:
        wanted = programs.get(connection, program, account).id if program is not None else None
    if export is not None:
        from jobs import exports

        export_list(desk, export, exports.of_blasts(account, view, wanted), as_json)
        return
    with desk.database.read() as connection:
        query = blast_ids(connection, account, view, program_id=wanted)
        rows = [ledger.get(connection, id_) for id_ in views.window(connection, query, 0, limit, None)]
        if as_json:
            for row in rows:
                print_json(ledger.as_json(row, ledger.tally(connection, row.id)))
            return
        figures = store.figures(connection, [row.id for row in rows])
    click.echo(desk.settings.mode)
    if not rows:
        click.echo("No blast is so." if view.filters else "No blasts yet: see `passbell blasts plan --help`.")
        return
    print_table(
        ("id", "name", "state", "planned", "accepted", "failed", "skipped", "started", "scheduled"),
        [
            (
                row.id,
                row.name,
                row.state + (", urgent" if row.urgent and row.state not in ENDED else ""),
                sum(figures[row.id].values()),
                *(figures[row.id][state] for state in ("accepted", "failed", "skipped")),
                *((rfc3339(moment) or "")[:19].replace("T", " ") for moment in (row.started_at, row.send_at)),
            )
            for row in rows
        ],
        right=("id", "planned", "accepted", "failed", "skipped"),
    )
    for row in rows:
        if row.state == "missed":
            todo = say_when(row.id, figures[row.id]["pending"])
            note(f"blast {row.id} missed its time, and nothing of it was sent: {todo}")


@click.command(
    epilog="\b\nExamples:\n  passbell blasts deliveries 7 --state failed --reason timeout --json"
    "\n  passbell blasts deliveries 7 --filter 'attempts=>1' --sort -attempts --export retried.csv"
)
@blast_argument
@click.option("--state", type=click.Choice(ledger.STATES), help="Only those in this state.")
@click.option("--reason", metavar="R", help="Only those with this reason.")
@click.option("--batch", type=click.IntRange(1, LARGEST), metavar="B", help="Only those of this batch.")
@click.option(
    "--fetched",
    type=click.Choice(["yes", "no"]),
    help="Only those that Apple accepted, and whose pass a phone has fetched since, or has not.",
)
@view_options(DELIVERY_COLUMNS)
@json_option
@with_desk
def deliveries(
    desk: Desk,
    blast: int,
    state: str | None,
    reason: str | None,
    batch: int | None,
    fetched: str | None,
    view: View,
    export: Path | None,
    as_json: bool,
) -> None:
    """What happened to each pass. All of them are printed, in pages read as they are printed."""
    which = store.Which(state, reason, batch, None if fetched is None else fetched == "yes")
    with desk.database.read() as connection:
        ledger.get(connection, blast)
    if export is not None:
        from jobs import exports

        export_list(desk, export, exports.of_deliveries(blast, view, which), as_json)
        return
    titles = ("member", "name", "state", "reason", "attempts", "batch", "accepted_at")
    with desk.database.read() as connection:
        ids = store.ids(connection, blast, which, view=view)
    if not as_json:
        click.echo(f"{desk.settings.mode}: blast {blast}")
        if not ids:
            click.echo("No deliveries are so.")
    for start in range(0, len(ids), PAGE):
        with desk.database.read() as connection:
            rows = store.by_ids(connection, ids[start : start + PAGE])
        if as_json:
            for row in rows:
                print_json(row)
        else:
            cells = [[row[key] for key in titles] for row in rows]
            shown = tuple(title.replace("_", " ") for title in titles)
            print_table(shown, cells, right=("attempts", "batch"), titled=start == 0)


@click.command(epilog="\b\nExample:\n  passbell blasts batches 7 --filter 'failed=>0' --json")
@blast_argument
@view_options(BATCH_COLUMNS)
@json_option
@with_desk
def batches(desk: Desk, blast: int, view: View, export: Path | None, as_json: bool) -> None:
    """The deliveries that were claimed together: batches with most that are failed now first."""
    with desk.database.read() as connection:
        ledger.get(connection, blast)
    if export is not None:
        from jobs import exports

        export_list(desk, export, exports.of_batches(blast, view), as_json)
        return
    with desk.database.read() as connection:
        ids = views.every_id(connection, batch_ids(connection, blast, view))
        rows = [
            one.as_json()
            for start in range(0, len(ids), PAGE)
            for one in store.batches_by_ids(connection, ids[start : start + PAGE])
        ]
    if as_json:
        for row in rows:
            print_json(row)
        return
    click.echo(f"{desk.settings.mode}: blast {blast}")
    if not rows:
        click.echo("No batch is so." if view.filters else "No batch yet: a worker claims the first ones.")
        return
    titles = ("id", "size", "accepted", "failed", "returned", "claimed_at", "worker")
    shown = tuple(title.replace("_", " ") for title in titles)
    print_table(shown, [[row[key] for key in titles] for row in rows], right=titles[:5])
