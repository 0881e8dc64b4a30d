"""`passbell why`."""

from __future__ import annotations

import shutil
import textwrap

import click

from console.cli.options import json_option, with_desk
from console.cli.output import LARGEST, print_json
from console.desk import Desk
from console.plain import inert
from console.why_words import Section, heading, sections
from store.consents import PURPOSES
from store.errors import UsageError

WIDEST = 100
MARK, NAME = 11, 11
MARKS = {
    "passed_over": "passed over",
    "not_reached": "not reached",
    "not_asked": "not asked",
    "fails": "FAILS",
}
MARKS |= {"waits": "WAITS", "no": "NO", "unknown": "not known"}


@click.command(
    epilog="\b\nExamples:\n  passbell why Kaffee KL-000042 --blast 7"
    "\n  passbell why Kaffee KL-000042 --purpose service --category receipts --json"
)
@click.argument("program")
@click.argument("member")
@click.option(
    "--blast", type=click.IntRange(1, LARGEST), metavar="ID", help="Of this blast; without: of a message now."
)
@click.option(
    "--purpose", type=click.Choice(PURPOSES), help="Without a blast: what for.  [default: marketing]"
)
@click.option("--category", metavar="NAME", help="Without a blast: what members may decline.")
@json_option
@with_desk
def why(
    desk: Desk,
    program: str,
    member: str,
    blast: int | None,
    purpose: str | None,
    category: str | None,
    as_json: bool,
) -> None:
    """Why a member was messaged or not, or would be: the whole decision, step by step.

    MEMBER is the external id. Each check of the gate is asked now and shown with what it saw, in the gate's
    order; the first that fails decides. Then the text, what it waits for, the tries, and the phone.
    """
    from jobs.why import holder

    if blast is not None and (purpose or category):
        raise UsageError(
            "a blast has a purpose and a category of its own: leave --purpose and --category out"
        )
    with desk.database.read() as connection:
        found = holder.why(
            connection,
            desk.settings,
            program,
            member,
            blast,
            purpose=purpose or "marketing",
            category=category,
        )
    if as_json:
        print_json(found.as_json())
        return
    width = min(shutil.get_terminal_size().columns, WIDEST)
    _say(found.decision.sentence, width)
    _say(f"{desk.settings.mode}: {heading(found)}", width)
    for section in sections(found):
        click.echo()
        _tell(section, width)


def _tell(section: Section, width: int) -> None:
    click.echo(inert(section.title))
    marked = any(line.mark for line in section.lines)
    for line in section.lines:
        mark = f"{MARKS.get(line.mark, line.mark):<{MARK}}  " if marked else ""
        _say(line.told, width, f"  {mark}{line.name:<{NAME}}  ")


def _say(told: str, width: int, lead: str = "") -> None:
    """A sentence, broken under itself at the terminal's width."""
    lines = textwrap.wrap(inert(told), max(width - len(lead), 20), break_on_hyphens=False) or [""]
    for place, line in enumerate(lines):
        click.echo((lead if place == 0 else " " * len(lead)) + line)
