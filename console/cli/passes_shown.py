"""`passbell passes`: what is known of passes, and the program and the member that are meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from console.cli.options import json_option, with_desk
from console.cli.output import LARGEST, note, print_facts, print_json, print_table
from console.desk import Desk
from console.plain import inert
from store import roles

if TYPE_CHECKING:
    from store.programs import Program


@click.command(epilog="\b\nExample:\n  passbell passes show club KL-7 --json")
@click.argument("program")
@click.argument("external_id")
@json_option
@with_desk
def show(desk: Desk, program: str, external_id: str, as_json: bool) -> None:
    """A member's passes: their state, who has them, and what happened to them last."""
    from jobs.passes import shown

    found = own(desk, program)
    told = of_one(desk, found, external_id)
    with desk.database.read() as connection:
        told["events"] = shown.events(connection, found.id, external_id, shown.EVENTS)
    if as_json:
        print_json(told)
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}, {inert(external_id)}")
    if not told["passes"]:
        note(f"no pass was issued to {external_id}: `passbell passes issue` does it")
        return
    for one in told["passes"]:
        click.echo(f"pass for {one['channel']}:")
        print_facts({name.replace("_", " "): value for name, value in one.items() if name != "channel"})
    _tell_events(told["events"])


@click.command(epilog="\b\nExample:\n  passbell passes events club KL-7 --json | jq -r .kind")
@click.argument("program")
@click.argument("external_id")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, LARGEST), help="At most so many."
)
@json_option
@with_desk
def events(desk: Desk, program: str, external_id: str, limit: int, as_json: bool) -> None:
    """What happened to a member's passes, the last first: created, installed, removed, redeemed ..."""
    from jobs.passes import shown

    found = own(desk, program)
    with desk.database.read() as connection:
        listed = shown.events(connection, found.id, external_id, limit)
    if as_json:
        for one in listed:
            print_json(one)
        return
    _tell_events(listed)


def _tell_events(listed: list[dict[str, Any]]) -> None:
    rows = [
        (
            one["at"][:19].replace("T", " "),
            one["channel"],
            one["kind"],
            one["source"],
            _details(one["details"]),
        )
        for one in listed
    ]
    print_table(("at", "pass", "event", "from", "details"), rows)


def _details(details: dict[str, Any]) -> str:
    told = ((name, value if isinstance(value, str) else json.dumps(value)) for name, value in details.items())
    return ", ".join(f"{name}: {value}" for name, value in told)


@click.command("list", epilog="\b\nExample:\n  passbell passes list club --json | jq -r .serial")
@click.argument("program")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, LARGEST), help="At most so many."
)
@json_option
@with_desk
def list_(desk: Desk, program: str, limit: int, as_json: bool) -> None:
    """The passes of a program, in the order they were issued."""
    from jobs.passes import shown

    found = own(desk, program)
    with desk.database.read() as connection:
        total = shown.count(connection, found.id)
        listed = list(shown.page(connection, found.id, limit))
    if as_json:
        for one in listed:
            print_json({name: value for name, value in one.items() if name != "id"})
    else:
        click.echo(f"{desk.settings.mode}: {inert(found.name)}")
        columns = ("external_id", "channel", "serial", "status", "devices", "tag", "changed_at")
        print_table(
            tuple(name.replace("_", " ") for name in columns),
            [[one[name] for name in columns] for one in listed],
            right=("devices", "tag"),
        )
    if total > len(listed):
        note(f"{len(listed):,} of {total:,} passes shown: --limit {total} shows all")


def own(desk: Desk, program: str) -> Program:
    """The program of our own that is meant by its id or name. Raises UsageError where it is none."""
    from jobs.passes.issue import own_program

    with desk.database.read() as connection:
        return own_program(connection, program, desk.settings.account)


def of_one(desk: Desk, program: Program, external_id: str) -> dict[str, Any]:
    """A member's passes with the links to them, which a viewer does not get. Raises UsageError where there is
    no such member."""
    from jobs.passes import handout

    passes = held(desk, program, external_id)
    links = handout.Links()
    if passes and not roles.why_not(desk.settings.role, roles.needs("passes.link")):
        links = handout.links_of(desk.database, desk.settings, program.id, external_id)
    return {"program": program.id, "external_id": external_id, "passes": passes, **links.as_json()}


def held(desk: Desk, program: Program, external_id: str) -> list[dict[str, Any]]:
    """The passes that were issued to a member. Raises UsageError where there is no such member."""
    from jobs.passes import shown

    with desk.database.read() as connection:
        held = shown.of_member(connection, program.id, external_id)
    return [{name: one[name] for name in one if name not in ("id", "external_id")} for one in held]
