"""`passbell blasts preview`: what phones would show of a text, before anything is planned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from console import words
from console.cli.choice import choice_options, choose
from console.cli.options import json_option, with_desk
from console.cli.output import LARGEST, print_json
from console.desk import Desk
from console.phone_words import PHONES, notes, showing
from console.plain import inert
from jobs.engine.gate import Message
from jobs.phones import Wording, wording
from jobs.preview import Asked, Preview, Seen, extremes, of_verdict, see
from jobs.preview import preview as count
from store import preferences, programs
from store.consents import PURPOSES
from store.ledger import VERDICTS

MEMBERS = 100
"""Members of a verdict that are printed where no limit is given."""


@click.command(
    epilog="\b\nExamples:"
    '\n  passbell blasts preview --program Kaffee --all --text "Hi {first_name|there}!"'
    '\n  passbell blasts preview --program Kaffee --audience gold --text "Two for one" --verdict silent'
    "\n  passbell blasts preview --program Kaffee --all --text Hello --json | jq .verdicts"
)
@click.option("--program", required=True, metavar="ID", help="An id, a name, or the beginning of either.")
@choice_options(saved=True)
@click.option("--text", required=True, help="At most 500 characters; {first_name|friend} names a field.")
@click.option("--language", default="", metavar="L", help="The phone's, such as de. [default: the design's]")
@click.option("--verdict", type=click.Choice(VERDICTS), help="List the members of one verdict, and why.")
@click.option(
    "--limit", default=MEMBERS, show_default=True, type=click.IntRange(1, LARGEST), help="At most so many."
)
@click.option("--purpose", type=click.Choice(PURPOSES), default="marketing", show_default=True)
@click.option("--category", metavar="C", help="What members may decline, such as news.")
@json_option
@with_desk
def preview(
    desk: Desk,
    program: str,
    who: dict[str, Any],
    text: str,
    language: str,
    verdict: str | None,
    limit: int,
    purpose: str,
    category: str | None,
    as_json: bool,
) -> None:
    """Say what phones would show of a text, for the first, the longest and the shortest. Nothing is written.

    The verdicts count every pass of the audience: alert, silent, unproven, nothing. With --verdict its
    members are printed instead, each with the reason.

    Google words its own alert: only what the pass itself says is ours.
    """
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
    chosen = choose(desk, found.id, **who).who
    message = Message(purpose, preferences.category(category) if category else None)
    asked = Asked(desk.settings, found.id, chosen, text, message)
    with desk.database.read() as connection:
        if verdict is not None:
            _tell_members(of_verdict(connection, asked, wanted=verdict, limit=limit), as_json)
            return
        figures = count(connection, asked)
        ends = extremes(connection, asked)
        members = {"first": see(connection, asked), "longest": ends.longest, "shortest": ends.shortest}
        said = wording(connection, found, language)
    if as_json:
        shown = {name: _as_json(seen, said, own=found.own) for name, seen in members.items()}
        print_json({"program": found.id, "text": text} | figures.as_json() | said.as_json() | shown)
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}")
    _tell_figures(figures)
    _tell_phones(members, said, own=found.own)


def _tell_phones(members: dict[str, Seen | None], said: Wording, *, own: bool) -> None:
    for name, seen in members.items():
        _tell_member(name, seen, said, own=own)
    for note in notes(members["first"], said):
        click.echo(note)


def _tell_figures(figures: Preview) -> None:
    for verdict, number in figures.verdicts.items():
        click.echo(f"  {number:>9,} {verdict}: {words.VERDICTS[verdict]}")
    if not figures.exact:
        click.echo("At most: members without a value that the text names get nothing.")


def _tell_member(name: str, seen: Seen | None, said: Wording, *, own: bool) -> None:
    if seen is None:
        click.echo(f"{name}: nobody in this audience can be messaged")
        return
    click.echo(f"{name}: {inert(seen.name or 'no name', 60)} ({inert(seen.external_id)})")
    for wallet, phone in PHONES.items():
        shown = showing(wallet, seen, said, own=own)
        mark = {True: "holds the pass", False: "pass not there", None: "pass perhaps there"}[shown.mine]
        click.echo(f"  {phone} ({mark}): {shown.told}")
        if shown.alert == "text":
            click.echo(f"    {inert(shown.title)}: {inert(shown.text)}")


def _tell_members(found: list[Seen], as_json: bool) -> None:
    for line in _lines(found, as_json):
        if isinstance(line, str):
            click.echo(line)
        else:
            print_json(line)
    if not found and not as_json:
        click.echo("Nobody in this audience.")


def _lines(found: list[Seen], as_json: bool) -> Iterator[str | dict[str, Any]]:
    for seen in found:
        why = words.reason(seen.reason) if seen.reason is not None else seen.verdict
        yield seen.as_json() if as_json else f"{inert(seen.external_id)}  {inert(seen.name, 40)}  {why}"


def _as_json(seen: Seen | None, said: Wording, *, own: bool) -> dict[str, Any] | None:
    if seen is None:
        return None
    phones = {wallet: showing(wallet, seen, said, own=own).as_json() for wallet in PHONES}
    return seen.as_json() | {"phones": phones}
