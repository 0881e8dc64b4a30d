"""`passbell preferences`."""

from __future__ import annotations

from typing import Any

import click

from console.cli.options import json_option, with_desk
from console.cli.output import print_facts, print_json, print_table
from console.desk import Desk
from console.plain import inert
from console.wishes import preferences_in_words, wish
from store import members, programs
from store import preferences as store
from store.errors import UsageError
from store.times import rfc3339


@click.group()
def preferences() -> None:
    """Preferences: what a member declined, when not to disturb, how often at most."""


@preferences.command(epilog="\b\nExample:\n  passbell preferences show Kaffee KL-000042 --json")
@click.argument("program")
@click.argument("external_id")
@json_option
@with_desk
def show(desk: Desk, program: str, external_id: str, as_json: bool) -> None:
    """What a member asked for, and how that changed."""
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
        member = members.get(connection, found.id, external_id)
        asked = store.get(connection, member.id)
        past = store.history(connection, member.id)
    if as_json:
        told = {"program": found.id, "external_id": member.external_id, **asked.as_json()}
        print_json(told | {"history": [one.as_json() for one in past]})
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}: {inert(member.external_id)}")
    print_facts(preferences_in_words(asked))
    if past:
        print_table(
            ("at", "what", "before", "after", "source", "by"),
            [
                [
                    rfc3339(one.at),
                    name.replace("_", " "),
                    _value(one.before[name]),
                    _value(one.after[name]),
                    one.source,
                    one.actor,
                ]
                for one in past
                for name in one.after
            ],
        )


@preferences.command(
    "set",
    epilog="\b\nExamples:\n  passbell preferences set Kaffee KL-000042 --decline offers --most-a-week 2"
    "\n  passbell preferences set Kaffee KL-000042 --quiet-hours 20:00-09:00 --time-zone Europe/Vienna"
    "\n  passbell preferences set Kaffee KL-000042 --quiet-hours default",
)
@click.argument("program")
@click.argument("external_id")
@click.option(
    "--decline", multiple=True, metavar="CATEGORY", help="No messages of this category; repeatable."
)
@click.option(
    "--accept", multiple=True, metavar="CATEGORY", help="The category is welcome again; repeatable."
)
@click.option("--quiet-hours", metavar="HOURS", help="Such as 21:00-08:00; none: no quiet hours at all.")
@click.option("--most-a-day", metavar="N", help="At most so many messages in any 24 hours.")
@click.option("--most-a-week", metavar="N", help="At most so many messages in any 7 days.")
@click.option("--language", metavar="TAG", help="Such as de-AT.")
@click.option("--time-zone", metavar="ZONE", help="Such as Europe/Vienna.")
@click.option("--source", default="console", show_default=True, help="Where the member said so.")
@json_option
@with_desk
def set_(
    desk: Desk,
    /,
    program: str,
    external_id: str,
    decline: tuple[str, ...],
    accept: tuple[str, ...],
    source: str,
    as_json: bool,
    **given: str | None,
) -> None:
    """Change what is given, and nothing else. `default` takes a wish back: the program's rules hold again."""
    from jobs import preferences as verbs

    wanted = {
        name: wish(name, text, f"--{name.replace('_', '-')}")
        for name, text in given.items()
        if text is not None
    }
    if not wanted and not decline and not accept:
        raise UsageError("say what to change, such as --most-a-week 2: see `passbell preferences set --help`")
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
    asked, changed = verbs.change(
        desk.database,
        found.id,
        external_id,
        wanted,
        decline=decline,
        accept=accept,
        source=source,
        actor=desk.actor,
    )
    if as_json:
        told = {"program": found.id, "external_id": external_id, **asked.as_json()}
        print_json(told | {"changed": changed.as_json() if changed else None})
        return
    what = ", ".join(name.replace("_", " ") for name in changed.after) if changed else "nothing"
    click.echo(f"{desk.settings.mode}: {inert(external_id)}: changed {what}")
    print_facts(preferences_in_words(asked))


def _value(value: Any) -> object:
    return ", ".join(value) if isinstance(value, list) else value
