"""`passbell members`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from console.cli.options import json_option, with_desk
from console.cli.output import LARGEST, Progress, note, print_facts, print_json, print_table
from console.cli.view import export_list, view_options
from console.desk import Desk
from console.plain import inert
from store import audiences, programs
from store import members as store
from store.audiences import Selection
from store.member_list import COLUMNS
from store.members import Member
from store.times import rfc3339
from store.views import View

PAGE = 500
COUNTS = ("rows", "created", "new", "changed", "unchanged", "rejected")
_WORDS = {"-": "nothing", "name": "the name"}


def _choices(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for pair in given:
        column, equals, target = (part.strip() for part in pair.rpartition("="))
        if not (equals and column and target):
            raise click.BadParameter(f"write COLUMN=TARGET, such as Notes=-, not {pair!r}")
        if chosen.setdefault(column, target) != target:
            raise click.BadParameter(f"{column!r} is to become two things: {chosen[column]!r} and {target!r}")
    return chosen


@click.group()
def members() -> None:
    """Members: the holders of a program's passes."""


@members.command(
    "list",
    epilog="\b\nExamples:\n  passbell members list Kaffee --where \"points > 500 AND tier = 'gold'\""
    "\n  passbell members list Kaffee --sort -points --filter 'points=>500' --export rich.csv",
)
@click.argument("program")
@click.option("--where", metavar="EXPR", help="Only those that fit, such as \"zip LIKE '10%'\".")
@click.option(
    "--search", default="", metavar="TEXT", help="Only those with TEXT in name, id, e-mail or phone."
)
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, LARGEST), help="At most so many."
)
@view_options(COLUMNS)
@json_option
@with_desk
def list_(
    desk: Desk,
    program: str,
    where: str | None,
    search: str,
    limit: int,
    view: View,
    export: Path | None,
    as_json: bool,
) -> None:
    """A program's members by name. An expression may use any field that `members show` prints.

    Text stands in single quotes; AND, OR, NOT, IN, LIKE, BETWEEN, IS NULL and NOW() are understood.
    """
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
        chosen = Selection("where", where) if where is not None else None
        condition = None if chosen is None else audiences.condition(connection, found.id, chosen)
        view = replace(view, search=search)
        listed: list[Member] = []
        if export is None:
            ids = store.ids(connection, found.id, condition=condition, view=view)
            total = len(ids)
            for start in range(0, min(limit, total), PAGE):
                listed += store.by_ids(connection, ids[start : min(start + PAGE, limit)])
    if export is not None:
        from jobs import exports

        export_list(desk, export, exports.of_members(found.id, view, chosen), as_json)
        return
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
    told |= _wishes(told.pop("consents"), told.pop("preferences"), told.pop("suppressed"))
    print_facts(told | {"mode": desk.settings.mode})
    for name, value in attributes.items():
        click.echo(f"  {inert(name)}: {inert(value if isinstance(value, str) else json.dumps(value))}")
    for one in passes:
        where = f"in {', '.join(one['wallets']) or 'no wallet'}"
        if one["channel"] == "apple":
            where = f"on {one['devices']} devices"
        shown = inert(one["shown_text"] or "-")
        name = f"{one['channel']} pass {inert(one.get('serial', one['id']))}"
        click.echo(f"{name}: {one['status']}, {where}; shows: {shown}")
    if deliveries:
        print_table(
            ("blast", "name", "state", "reason", "text", "accepted at"),
            [
                [one[key] for key in ("blast", "name", "state", "reason", "text", "accepted_at")]
                for one in deliveries
            ],
            right=("blast",),
        )


def _wishes(
    consents: dict[str, Any], preferences: dict[str, Any], suppressed: list[dict[str, Any]]
) -> dict[str, object]:
    """Consents, preferences and suppressions as facts; what nobody said is left out."""
    said = [f"{purpose} {'given' if one['given'] else 'withdrawn'}" for purpose, one in consents.items()]
    asked = {
        name.replace("_", " "): ", ".join(value) if isinstance(value, list) else value
        for name, value in preferences.items()
        if value and name not in ("language", "time_zone")
    }
    until = [f"{one['reason']}, until {one['expires_at'] or 'for ever'}" for one in suppressed]
    return {"consents": ", ".join(said), **asked, "suppressed": "; ".join(until)}


@members.command(
    "import",
    epilog="""\b
Examples:
  passbell members import Kaffee customers.csv --dry-run
  passbell members import Kaffee customers.csv --map "Postal code=zip" --map Notes=-
  passbell members import Kaffee customers.csv --map visits=visits:number --map VIP=vip:boolean""",
)
@click.argument("program")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option(
    "--map",
    "chosen",
    multiple=True,
    callback=_choices,
    metavar="COLUMN=TARGET",
    help="What a column becomes: external_id, time_zone, locale, - for nothing, or an attribute's name "
    "(a text; with :number or :boolean behind it, that).",
)
@click.option("--forget-mapping", is_flag=True, help="Guess anew what columns become.")
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write the lines that were not taken there.",
)
@json_option
@with_desk
def import_(
    desk: Desk,
    program: str,
    file: Path,
    dry_run: bool,
    chosen: dict[str, str],
    forget_mapping: bool,
    rejects: Path | None,
    as_json: bool,
) -> None:
    """Add attributes, time zones and locales to members from a file with their external ids.

    CSV, TSV, JSON, NDJSON, and what PassKit or Pass2U export. What each column becomes is guessed, shown, and
    remembered for the program's next file. All or nothing, and `members undo` takes it back. What PassKit
    itself says of a member is never overwritten. For the program `flights` the rows are boarding records.
    """
    from jobs.intake.imports import import_members
    from jobs.intake.staging import check_rejects

    if rejects is not None:
        check_rejects(file, rejects)
    program_id, name = _target(desk, program)
    with Progress() as bar:
        report = import_members(
            desk.database,
            program_id,
            file,
            account=desk.settings.account,
            home=desk.settings.home,
            dry_run=dry_run,
            actor=desk.actor,
            chosen=chosen,
            forget_mapping=forget_mapping,
            secret=desk.settings.consent_secret,
            progress=lambda doing, done, total: bar.show(file.name, done, total, doing),
        )
    if rejects is not None:
        report.write_rejects(rejects)
        note(f"the lines that were not taken are in {rejects}")
    if as_json:
        print_json(report.as_json())
        return
    done = "nothing was changed (dry run)" if dry_run else f"imported, as import {report.import_id}"
    click.echo(f"{desk.settings.mode}: {inert(name)}: {done}")
    told = report.as_json()
    print_table(
        ("column", "becomes"), [(column, _WORDS.get(to, to)) for column, to in told["mapping"].items()]
    )
    print_facts({word: told[word] for word in COUNTS})
    for word, samples in told["samples"].items():
        click.echo(f"{word}, such as:")
        for sample in samples:
            click.echo(f"  {inert(json.dumps(sample, ensure_ascii=False), 110)}")
    for remark in told["notes"]:
        note(remark)


@members.command("imports", epilog="\b\nExample:\n  passbell members imports Kaffee")
@click.argument("program")
@json_option
@with_desk
def imports_(desk: Desk, program: str, as_json: bool) -> None:
    """The imports of a program, the newest first, with the ids by which they can be undone."""
    from store import imports

    program_id, name = _target(desk, program)
    with desk.database.read() as connection:
        listed = imports.list_all(connection, program_id)
    if as_json:
        for one in listed:
            print_json(one.as_json())
        return
    click.echo(f"{desk.settings.mode}: {inert(name)}")
    print_table(
        ("import", "file", "at", "by", *COUNTS[1:], "undone"),
        [
            (
                *(one.id, one.file, _minute(one.at), one.actor),
                *(one.counts.get(word, 0) for word in COUNTS[1:]),
                _minute(one.undone_at),
            )
            for one in listed
        ],
        right=("import", *COUNTS[1:]),
    )


@members.command(epilog="\b\nExample:\n  passbell members undo 7")
@click.argument("import_id", type=click.IntRange(1, LARGEST), metavar="ID")
@json_option
@with_desk
def undo(desk: Desk, import_id: int, as_json: bool) -> None:
    """Take a whole import back: its members become what they were before it.

    What a sync found since then stays. An import is undone after those that came later to the same members.
    """
    from jobs.intake.undo import undo as take_back

    with Progress() as bar:
        report = take_back(
            desk.database,
            import_id,
            account=desk.settings.account,
            actor=desk.actor,
            secret=desk.settings.consent_secret,
            progress=lambda doing, done, total: bar.show(f"import {import_id}", done, total, doing),
        )
    if as_json:
        print_json(report.as_json())
        return
    click.echo(f"{desk.settings.mode}: import {import_id} of {inert(report.done.file)} is undone")
    print_facts({"restored": report.restored, "removed": report.removed})


def _target(desk: Desk, program: str) -> tuple[str, str]:
    """Id and name of the program; `flights` need not be there yet."""
    from jobs.intake import flights

    if program.strip().casefold() == flights.PROGRAM:
        return flights.PROGRAM, "Flights"
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
    return found.id, found.name


def _minute(at: datetime | None) -> str:
    return (rfc3339(at) or "")[:16].replace("T", " ")
