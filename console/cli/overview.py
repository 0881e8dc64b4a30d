"""`passbell overview`: how everything stands at this moment."""

from __future__ import annotations

import click

from console import expiry
from console.cli.options import json_option, with_desk
from console.cli.output import print_facts, print_json, print_table
from console.desk import Desk
from console.overview_words import account_in_words, days_in_words, pace_in_words, workers_in_words
from console.plain import inert
from jobs.overview import NAMES, look


@click.command(
    epilog="\b\nExamples:\n  passbell overview\n  passbell overview --json | jq -r '.needs[].sentence'"
)
@json_option
@with_desk
def overview(desk: Desk, as_json: bool) -> None:
    """Say how everything stands: LIVE or REHEARSAL, workers, accounts, running blasts, what needs you, today.

    It changes nothing and asks no provider.
    """
    weak = expiry.weak(desk.settings, desk.database)
    with desk.database.read() as connection:
        found = look(connection, desk.settings, weak=weak)
    if as_json:
        print_json(found.as_json())
        return
    click.echo(found.mode)
    print_facts(
        {
            "workers": workers_in_words(found),
            **{NAMES[one.channel]: account_in_words(one, found.at) for one in found.accounts},
            "today": days_in_words(found),
        }
    )
    if found.running:
        click.echo("")
        print_table(
            ("blast", "message", "program", "state", "done", "of", "pace"),
            [
                (one.id, one.name, one.program, one.state, one.done, one.to_send, pace_in_words(one))
                for one in found.running
            ],
            right=("blast", "done", "of"),
        )
    for need in found.needs:
        click.echo(f"{need.kind.replace('_', ' ')}: {inert(need.sentence)}")
    if not found.needs:
        click.echo("nothing needs you")
