"""`passbell audit`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from console.cli.options import json_option, with_desk
from console.cli.output import LARGEST, note, print_json, print_table
from console.cli.view import export_list, view_options
from console.desk import Desk
from console.plain import inert
from store import audit as store
from store.errors import PassbellError
from store.times import rfc3339
from store.views import View


@click.group()
def audit() -> None:
    """The audit: who did what, each entry chained to the one before it."""


@audit.command("list", epilog="\b\nExample:\n  passbell audit list --filter act=blast --filter at=today")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, LARGEST), help="At most so many."
)
@view_options(store.COLUMNS)
@json_option
@with_desk
def list_(desk: Desk, limit: int, view: View, export: Path | None, as_json: bool) -> None:
    """Entries, the newest first."""
    if export is not None:
        from jobs import exports

        export_list(desk, export, exports.of_audit(view), as_json)
        return
    with desk.database.read() as connection:
        entries = store.page(connection, limit=limit, view=view)
    if as_json:
        for entry in entries:
            print_json(entry.as_json())
        return
    click.echo(desk.settings.mode)
    print_table(
        ("id", "at", "actor", "act", "subject", "details"),
        [
            (
                entry.id,
                (rfc3339(entry.at) or "")[:19].replace("T", " "),
                entry.actor,
                entry.act,
                entry.subject,
                json.dumps(entry.details, ensure_ascii=False),
            )
            for entry in entries
        ],
        right=("id",),
    )


@audit.command(epilog="\b\nExample:\n  passbell audit verify --json")
@json_option
@with_desk
def verify(desk: Desk, as_json: bool) -> None:
    """Check the chain from its first entry. Exits with 1 where it is broken."""
    with desk.database.read() as connection:
        count, broken = store.verify(connection)
        last = store.page(connection, limit=1)
    if broken:
        raise PassbellError(f"the audit is broken after {count:,} entries: {broken}")
    told = {"entries": count, "ok": True, "last_hash": last[0].hash if last else store.GENESIS}
    if as_json:
        print_json(told)
        return
    click.echo(f"{desk.settings.mode}: {count:,} entries, each follows the one before it")
    click.echo(f"last hash: {told['last_hash']}")
    note("keep it elsewhere: entries cut off the end leave no trace here")


@audit.command(epilog="\b\nExamples:\n  passbell audit export audit.db\n  passbell audit export audit.ndjson")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@with_desk
def export(desk: Desk, file: Path, as_json: bool) -> None:
    """Write all entries to FILE: a SQLite database, or JSON lines where its name ends in .ndjson.

    A file that exists is never overwritten; one that could not be finished is not left behind. It takes an
    operator, and an entry says who took it.
    """
    from jobs.audit_export import export as write

    count = write(desk.database, file, actor=desk.actor)
    if as_json:
        print_json({"file": str(file), "entries": count})
    else:
        click.echo(f"{desk.settings.mode}: wrote {count:,} entries to {inert(str(file))}")
