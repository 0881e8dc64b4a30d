"""`passbell programs rules`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from console.cli.options import json_option, with_desk
from console.cli.output import print_facts, print_json
from console.desk import Desk
from console.plain import inert
from console.wishes import rule
from jobs import rules as verbs
from store import programs
from store import rules as store

COUNTS = {
    "most_a_day": "Messages to one member in any 24 hours.",
    "most_a_week": "Messages to one member in any 7 days.",
    "pass_interval_minutes": "Minutes between two messages to one pass.",
    "pass_most_a_day": "Messages to one pass in any 24 hours.",
    "pass_most_a_month": "Messages to one pass in any 30 days.",
}


def _count(name: str) -> Callable[[Any], Any]:
    return click.option(f"--{name.replace('_', '-')}", metavar="N", help=f"{COUNTS[name]} 0: no limit.")


@click.command(
    epilog="\b\nExamples:"
    "\n  passbell programs rules Kaffee"
    "\n  passbell programs rules Kaffee --quiet-hours 21:00-08:00 --most-a-week 2"
    "\n  passbell programs rules Kaffee --quiet-hours none --consent default"
)
@click.argument("program")
@click.option("--consent", metavar="MODE", help="What marketing needs: unless_withdrawn or given.")
@click.option(
    "--quiet-hours", metavar="FROM-TO", help="Such as 21:00-08:00, in the member's time zone; or none."
)
@_count("most_a_day")
@_count("most_a_week")
@_count("pass_interval_minutes")
@_count("pass_most_a_day")
@_count("pass_most_a_month")
@json_option
@with_desk
def rules(
    desk: Desk,
    program: str,
    consent: str | None,
    quiet_hours: str | None,
    most_a_day: str | None,
    most_a_week: str | None,
    pass_interval_minutes: str | None,
    pass_most_a_day: str | None,
    pass_most_a_month: str | None,
    as_json: bool,
) -> None:
    """What the gate goes by in a program, and rules of its own.

    Without an option the rules are shown. `default` takes one of its own back: the settings' holds then.
    """
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
    changes: dict[str, Any] = {}
    counts = (most_a_day, most_a_week, pass_interval_minutes, pass_most_a_day, pass_most_a_month)
    every = {"consent": consent, "quiet_hours": quiet_hours} | dict(zip(COUNTS, counts, strict=True))
    for name, given in every.items():
        if given is not None:
            changes |= rule(name, given, f"--{name.replace('_', '-')}")
    if changes:
        verbs.change(desk.database, desk.settings, found.id, changes, actor=desk.actor)
    with desk.database.read() as connection:
        held = store.effective(connection, desk.settings.gate, found.id).as_json()
        own = {name: value for name, value in store.own(connection, found.id).items() if value is not None}
    if as_json:
        print_json({"program": found.id, "rules": held, "own": own})
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}")
    print_facts({name: _spelled(value) for name, value in held.items()})
    names = dict.fromkeys("quiet_hours" if name in ("quiet_from", "quiet_to") else name for name in own)
    print_facts({"of its own": ", ".join(names) or "none: all are the settings'"})


def _spelled(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{key} {told}" for key, told in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "no limit" if value == 0 and not isinstance(value, bool) else value
