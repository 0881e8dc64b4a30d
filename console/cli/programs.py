"""`passbell sync` and `passbell programs`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console import words
from console.cli.google import broadcast, reconcile
from console.cli.options import json_option, with_desk
from console.cli.output import Progress, note, print_facts, print_json, print_table
from console.cli.rules import rules
from console.cli.view import export_list, view_options
from console.desk import Desk
from console.plain import inert
from store import members, roles
from store import programs as store
from store.errors import UsageError
from store.times import rfc3339
from store.views import View

if TYPE_CHECKING:
    from jobs.intake.sync import SyncReport


@click.command(epilog='\b\nExamples:\n  passbell sync\n  passbell sync "Kaffeehaus Linden" --json')
@click.argument("program", required=False)
@json_option
@with_desk
def sync(desk: Desk, program: str | None, as_json: bool) -> None:
    """Read programs, tiers and members from PassKit into the store.

    PROGRAM is an id, a name, or the beginning of either; without it all are read. A sync that breaks
    off goes on from there when it is run again within a day.
    """
    settings = desk.settings
    roles.check(settings.role, "sync")
    if settings.live and not settings.passkit.api_key:
        raise UsageError(
            "passkit.api_key is not set, so there is nothing to read: a sync is for passes that PassKit "
            "makes, and your own programs need none"
        )
    report = asyncio.run(_sync(desk, program))
    if as_json:
        print_json(report.as_json() | {"mode": desk.settings.mode})
        return
    click.echo(f"{desk.settings.mode}: synced {len(report.programs)} programs")
    print_table(
        ("program", "id", "kind", "read", "gone", "unreadable"),
        [(one.name, one.program_id, one.kind, one.read, one.gone, one.unreadable) for one in report.programs],
        right=("read", "gone", "unreadable"),
    )
    for sentence in (*(name for one in report.programs for name in one.named), *report.notes):
        note(sentence)


async def _sync(desk: Desk, program: str | None) -> SyncReport:
    from jobs.account import reading
    from jobs.intake.sync import sync as run

    with Progress() as bar:
        async with reading(desk.settings, desk.database) as client:
            return await run(
                desk.database,
                client,
                desk.settings,
                program=program,
                progress=lambda at: bar.show(at.name, at.done, at.total, at.stage),
                actor=desk.actor,
            )


@click.group()
def programs() -> None:
    """Programs: the schemes whose passes share a design, as PassKit last told them."""


@programs.command("list", epilog="\b\nExample:\n  passbell programs list --json | jq -r .id")
@view_options(store.FACTS)
@json_option
@with_desk
def list_(desk: Desk, view: View, export: Path | None, as_json: bool) -> None:
    """All programs, with members and how many of them a message can reach."""
    if export is not None:
        from jobs import exports

        export_list(desk, export, exports.of_programs(desk.settings.account, view), as_json)
        return
    with desk.database.read() as connection:
        rows = store.list_programs(connection, desk.settings.account, view=view)
    if as_json:
        for row in rows:
            print_json(row.as_json())
        return
    click.echo(desk.settings.mode)
    if not rows:
        click.echo("No program is so." if view.filters else "No programs yet: run `passbell sync`.")
        return
    print_table(
        ("name", "id", "kind", "members", "reachable", "phones", "synced"),
        [
            (
                row.program.name,
                row.program.id,
                row.program.kind,
                row.members,
                row.reachable,
                words.FIELD_STATES[row.message_field_state].partition(":")[0],
                _moment(row.program),
            )
            for row in rows
        ],
        right=("members", "reachable"),
    )


@programs.command(epilog="\b\nExample:\n  passbell programs create Linden --template linden")
@click.argument("name")
@click.option("--template", type=click.Path(path_type=Path), required=True, help="The template's folder.")
@click.option(
    "--kind",
    type=click.Choice(["membership", "coupon", "ticket", "flight"]),
    help="What it is, where the template says another.",
)
@click.option("--time-zone", metavar="ZONE", help="Of members who name none, such as Europe/Vienna.")
@json_option
@with_desk
def create(
    desk: Desk, name: str, template: Path, kind: str | None, time_zone: str | None, as_json: bool
) -> None:
    """Make a program whose passes passbell issues itself, to Apple and Google Wallet."""
    from jobs.passes import programs as verbs
    from jobs.passes.folder import read_folder

    made = verbs.create(
        desk.database,
        desk.settings,
        name,
        read_folder(template),
        kind=kind,
        time_zone=time_zone,
        actor=desk.actor,
    )
    if as_json:
        print_json(made.as_json())
        return
    click.echo(f"{desk.settings.mode}: made {inert(made.name)} ({made.id})")
    note(f"Its passes: passbell passes issue {made.id} --file members.csv")


@programs.command(epilog='\b\nExample:\n  passbell programs show "Kaffeehaus Linden"')
@click.argument("program")
@json_option
@with_desk
def show(desk: Desk, program: str, as_json: bool) -> None:
    """One program with its tiers, and what keeps phones from alerting.

    PROGRAM is an id, a name, or the beginning of either.
    """
    with desk.database.read() as connection:
        found = store.get(connection, program, desk.settings.account)
        tiers = store.list_tiers(connection, found.id)
        reach = members.reach(connection, found.id)
        row = next(
            row for row in store.list_programs(connection, found.account) if row.program.id == found.id
        )
    if as_json:
        print_json(row.as_json() | {"tiers": [tier.as_json() for tier in tiers]})
        return
    print_facts(
        {
            "program": f"{found.name} ({found.id}), {desk.settings.mode}",
            "kind": found.kind,
            "status": ", ".join(found.status),
            "time zone": found.time_zone,
            "members": row.members,
            "reachable": row.reachable,
            "opted out": reach.opted_out,
            "not installed": reach.not_installed,
            "Google Wallet only": f"{reach.google_only:,} (no lock-screen message)",
            "last sync": _moment(found),
        }
    )
    for tier in tiers:
        click.echo(f"  {inert(tier.name, 40)}: {words.FIELD_STATES[tier.message_field_state]}")


@programs.command(epilog="\b\nExample:\n  passbell programs fields Kaffee --json | jq -r .name")
@click.argument("program")
@json_option
@with_desk
def fields(desk: Desk, program: str, as_json: bool) -> None:
    """The fields that an expression may use, how many members have each, and the common values.

    Counted at the last sync or import; of a large program over a sample of its members.
    """
    from store import catalogue

    with desk.database.read() as connection:
        found = store.get(connection, program, desk.settings.account)
    entries = catalogue.fresh(desk.database, found.id)
    if as_json:
        for entry in entries:
            print_json(entry.as_json())
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}")
    print_table(
        ("field", "type", "of", "filled", "values"),
        [
            (entry.name, entry.type, entry.source, _percent(entry.share), _values(entry.top))
            for entry in entries
        ],
        right=("filled",),
    )
    with desk.database.read() as connection:
        total = members.count(connection, found.id)
    looked_at = max((entry.members for entry in entries), default=0)
    if looked_at < total:
        note(f"counted over {looked_at:,} of {total:,} members")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _values(top: Sequence[tuple[object, int]]) -> str:
    return ", ".join(f"{words.value(value)} ({count:,})" for value, count in top)


def _moment(program: store.Program) -> str:
    if program.own:
        return "-"
    return (rfc3339(program.synced_at) or "never")[:19].replace("T", " ")


programs.add_command(rules)
programs.add_command(reconcile)
programs.add_command(broadcast)
