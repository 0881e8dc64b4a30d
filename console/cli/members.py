"""`passbell members`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from console.cli.options import json_option, with_desk
from console.cli.output import LARGEST, Progress, note, print_facts, print_json, print_table
from console.desk import Desk
from console.plain import inert
from store import audiences, programs
from store import members as store
from store.audiences import Selection
from store.members import Member

PAGE = 500
COUNTS = ("rows", "created", "new", "changed", "unchanged", "rejected")


@click.group()
def members() -> None:
    """Members: the holders of a program's passes."""


@members.command(
    "list", epilog="\b\nExample:\n  passbell members list Kaffee --where \"points > 500 AND tier = 'gold'\""
)
@click.argument("program")
@click.option("--where", metavar="EXPR", help="Only those that fit, such as \"zip LIKE '10%'\".")
@click.option(
    "--search", default="", metavar="TEXT", help="Only those with TEXT in name, id, e-mail or phone."
)
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, LARGEST), help="At most so many."
)
@json_option
@with_desk
def list_(desk: Desk, program: str, where: str | None, search: str, limit: int, as_json: bool) -> None:
    """A program's members by name. An expression may use any field that `members show` prints.

    Text stands in single quotes; AND, OR, NOT, IN, LIKE, BETWEEN, IS NULL and NOW() are understood.
    """
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
        condition = None
        if where is not None:
            condition = audiences.condition(connection, found.id, Selection("where", where))
        total = store.count(connection, found.id, condition=condition, search=search)
        listed: list[Member] = []
        while len(listed) < min(limit, total):
            page = store.page(
                connection,
                found.id,
                condition=condition,
                search=search,
                offset=len(listed),
                limit=min(PAGE, limit - len(listed)),
            )
            if not page:
                break
            listed += page
    if as_json:
        for member in listed:
            print_json(member.as_json())
    else:
        click.echo(f"{desk.settings.mode}: {inert(found.name)}")
        print_table(
            ("external id", "name", "tier", "points", "pass", "opted out"),
            [_row(member) for member in listed],
            right=("points",),
        )
    if total > len(listed):
        note(f"{len(listed):,} of {total:,} members shown: --limit {total} shows all")


def _row(member: Member) -> tuple[object, ...]:
    held = ", ".join(
        one.status + (f" ({'+'.join(one.wallets)})" if one.wallets else "") for one in member.passes
    )
    return member.external_id, member.name, member.tier_id, member.points, held or "none", member.opted_out


@members.command(epilog="\b\nExample:\n  passbell members show Kaffee KL-000042 --json")
@click.argument("program")
@click.argument("external_id")
@json_option
@with_desk
def show(desk: Desk, program: str, external_id: str, as_json: bool) -> None:
    """All that is known of one member: fields, passes, and the last deliveries."""
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
        told = store.show(connection, found.id, external_id)
    if as_json:
        print_json(told)
        return
    passes, deliveries, attributes = told.pop("passes"), told.pop("deliveries"), told.pop("attributes")
    print_facts(told | {"mode": desk.settings.mode})
    for name, value in attributes.items():
        click.echo(f"  {inert(name)}: {inert(value if isinstance(value, str) else json.dumps(value))}")
    for one in passes:
        wallets = ", ".join(one["wallets"]) or "no wallet"
        shown = inert(one["shown_text"] or "-")
        click.echo(f"pass {inert(one['id'])}: {one['status']}, in {wallets}; shows: {shown}")
    if deliveries:
        print_table(
            ("blast", "name", "state", "reason", "text", "accepted at"),
            [
                [one[key] for key in ("blast", "name", "state", "reason", "text", "accepted_at")]
                for one in deliveries
            ],
            right=("blast",),
        )


@members.command("import", epilog="\b\nExample:\n  passbell members import Kaffee customers.csv --dry-run")
@click.argument("program")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write the lines that were not taken there.",
)
@json_option
@with_desk
def import_(desk: Desk, program: str, file: Path, dry_run: bool, rejects: Path | None, as_json: bool) -> None:
    """Add attributes to members from a CSV, JSON or NDJSON file with their external ids.

    All or nothing. What PassKit itself says of a member is never overwritten. For the program `flights`
    the rows are boarding records.
    """
    from jobs.intake import flights
    from jobs.intake.imports import import_members
    from jobs.intake.staging import check_rejects

    if rejects is not None:
        check_rejects(file, rejects)
    program_id, name = flights.PROGRAM, "Flights"
    if program.strip().casefold() != flights.PROGRAM:
        with desk.database.read() as connection:
            found = programs.get(connection, program, desk.settings.account)
        program_id, name = found.id, found.name
    with Progress() as bar:
        report = import_members(
            desk.database,
            program_id,
            file,
            account=desk.settings.account,
            home=desk.settings.home,
            dry_run=dry_run,
            actor=desk.actor,
            progress=lambda rows: bar.show(file.name, rows),
        )
    if rejects is not None:
        report.write_rejects(rejects)
        note(f"the lines that were not taken are in {rejects}")
    if as_json:
        print_json(report.as_json())
        return
    done = "nothing was changed (dry run)" if dry_run else "imported"
    click.echo(f"{desk.settings.mode}: {inert(name)}: {done}")
    told = report.as_json()
    print_facts({word: told[word] for word in COUNTS})
    for word, samples in told["samples"].items():
        click.echo(f"{word}, such as:")
        for sample in samples:
            click.echo(f"  {inert(json.dumps(sample, ensure_ascii=False), 110)}")
    for remark in told["notes"]:
        note(remark)
