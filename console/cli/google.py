"""`passbell programs reconcile` and `passbell programs broadcast`: what only Google's passes have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from console.cli.options import json_option, with_desk
from console.cli.output import LARGEST, Progress, note, print_facts, print_json
from console.desk import Desk
from console.plain import inert
from store import roles

if TYPE_CHECKING:
    from jobs.broadcast import Prospect
    from jobs.intake.google import Reconciled
    from store.programs import Program


@click.command(epilog="\b\nExample:\n  passbell programs reconcile Linden --json")
@click.argument("program")
@json_option
@with_desk
def reconcile(desk: Desk, program: str, as_json: bool) -> None:
    """Ask Google whether anybody has each of our Google passes.

    Google tells of saves and removals by itself, too, but not reliably. It says whether anybody has a pass,
    not how many, and not how soon it knows: a pass that was saved in the last 24 hours stays installed.
    """
    roles.check(desk.settings.role, "google.reconcile")
    found = _program(desk, program)
    report = asyncio.run(_reconcile(desk, found))
    if as_json:
        print_json(report.as_json() | {"mode": desk.settings.mode})
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}")
    print_facts(
        {name.replace("_", " "): value for name, value in report.as_json().items() if name != "program"}
    )


@click.command(
    epilog="\b\nExamples:"
    '\n  passbell programs broadcast Linden --text "We open at 10 tomorrow"'
    '\n  passbell programs broadcast Linden --text "We open at 10 tomorrow" --expect 4120'
)
@click.argument("program")
@click.option("--text", required=True, help="The message, the same for all.")
@click.option(
    "--expect",
    type=click.IntRange(0, LARGEST),
    metavar="N",
    help="The count of Google passes; without it nothing is sent, and you see what it would do.",
)
@json_option
@with_desk
def broadcast(desk: Desk, program: str, text: str, expect: int | None, as_json: bool) -> None:
    """Tell everybody who has a Google pass of PROGRAM at once, past consent and every other check.

    One message on the class instead of one on each pass. Nobody is left out: not those who opted out. For
    all else plan a blast. Refused where N is not the present count; Google takes three in 24 hours.
    """
    from jobs.broadcast import LOST, look

    if expect is not None:
        roles.check(desk.settings.role, "google.broadcast")
    found = _program(desk, program)
    prospect = look(desk.database, found)
    if expect is not None:
        prospect = asyncio.run(_broadcast(desk, found, text, expect))
    if as_json:
        print_json(prospect.as_json() | {"sent": expect is not None, "mode": desk.settings.mode})
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}")
    print_facts(
        {
            "Google passes": prospect.passes,
            "estimated reach": f"{prospect.reach:,} known to be saved",
            "alerts left today": prospect.left - (expect is not None),
        }
    )
    if expect is None:
        for sentence in LOST:
            note(sentence)
        note(f"Nothing was sent. To send it: --expect {prospect.passes}")
    else:
        click.echo("Google has accepted it for the class; whom it reaches it does not tell.")


def _program(desk: Desk, name: str) -> Program:
    from jobs.intake.google import find

    with desk.database.read() as connection:
        return find(connection, name, desk.settings.account)


async def _reconcile(desk: Desk, program: Program) -> Reconciled:
    from jobs.intake.google import asking
    from jobs.intake.google import reconcile as run

    with Progress() as bar:
        async with asking(desk.settings, desk.database) as client:
            return await run(
                desk.database,
                client,
                program,
                progress=lambda done, total: bar.show(program.name, done, total, "passes"),
                actor=desk.actor,
            )


async def _broadcast(desk: Desk, program: Program, text: str, expect: int) -> Prospect:
    from jobs.broadcast import broadcast as run
    from jobs.intake.google import asking

    async with asking(desk.settings, desk.database) as client:
        return await run(desk.database, client, program, text, expect=expect, actor=desk.actor)
