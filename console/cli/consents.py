"""`passbell consents`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.options import json_option, with_desk
from console.cli.output import Progress, note, print_facts, print_json, print_table
from console.desk import Desk
from console.plain import inert
from console.wishes import untold_in_words
from store import consents as store
from store import members, opt_outs, programs
from store.consents import PURPOSES
from store.errors import UsageError
from store.times import now

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.consents import Spoken
    from store.programs import Program

_COLUMNS = ("at", "purpose", "given", "source", "wording", "ip", "actor")


@click.group()
def consents() -> None:
    """Consents: what members agreed to or withdrew, in which words, and where they said so."""


def _program(desk: Desk, program: str) -> Program:
    with desk.database.read() as connection:
        return programs.get(connection, program, desk.settings.account)


def moment_of(at: str | None) -> datetime | None:
    """An option's time. Raises UsageError for what is none."""
    from jobs.intake import cells

    try:
        return cells.moment(at) if at else None
    except ValueError as error:
        raise UsageError(str(error)) from None


def said_options(command: Any) -> Any:
    """What both giving and withdrawing say."""
    for option in (
        click.option(
            "--at", metavar="TIME", help="When it was said, such as 2026-11-21T18:00:00+01:00.  [now]"
        ),
        click.option("--ip", metavar="ADDRESS", help="From which address it was said."),
        click.option("--wording", metavar="VERSION", help="Version of the words that were shown."),
        click.option(
            "--source", default="console", show_default=True, help="Where it was said: a form, a till ..."
        ),
        click.option(
            "--purpose", type=click.Choice(PURPOSES), default="marketing", show_default=True, help="For what."
        ),
    ):
        command = option(command)
    return command


@consents.command(epilog="\b\nExample:\n  passbell consents show Kaffee KL-000042")
@click.argument("program")
@click.argument("external_id")
@json_option
@with_desk
def show(desk: Desk, program: str, external_id: str, as_json: bool) -> None:
    """What holds for a member now, all that was ever said, and whether PassKit knows."""
    found = _program(desk, program)
    with desk.database.read() as connection:
        member = members.get(connection, found.id, external_id)
        holds = store.latest(connection, member.id)
        past = store.history(connection, member.id)
        untold = opt_outs.state(connection, member.id)
    if as_json:
        print_json(
            {
                "program": found.id,
                "external_id": member.external_id,
                "now": {purpose: one.as_json() for purpose, one in holds.items()},
                "opted_out": member.opted_out,
                "write_back": untold,
                "history": [one.as_json() for one in past],
            }
        )
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}: {inert(member.external_id)}")
    facts: dict[str, object] = {
        purpose: _word(holds[purpose].given) if purpose in holds else "nothing was said"
        for purpose in PURPOSES
    }
    facts["opted out in PassKit"] = member.opted_out
    if untold is not None:
        facts["the withdrawal"] = untold_in_words(untold)
    print_facts(facts)
    if past:
        print_table(
            ("at", "purpose", "said", "source", "wording", "ip", "by"),
            [
                [
                    _word(value) if isinstance(value, bool) else value
                    for value in (one.as_json()[name] for name in _COLUMNS)
                ]
                for one in past
            ],
        )


@consents.command(
    epilog="\b\nExample:\n  passbell consents give Kaffee KL-000042 --source till --wording 2026-03"
)
@click.argument("program")
@click.argument("external_id")
@said_options
@json_option
@with_desk
def give(
    desk: Desk,
    program: str,
    external_id: str,
    purpose: str,
    source: str,
    wording: str | None,
    ip: str | None,
    at: str | None,
    as_json: bool,
) -> None:
    """Record that a member consented. One who withdrew later than that stays withdrawn."""
    from jobs import consents as verbs

    said = store.Said(purpose, True, source, moment_of(at) or now(), wording, ip)
    found = _program(desk, program)
    _print(desk, verbs.give(desk.database, found.id, external_id, said, actor=desk.actor), as_json)


@consents.command(epilog="\b\nExample:\n  passbell consents withdraw Kaffee KL-000042 --source hotline")
@click.argument("program")
@click.argument("external_id")
@said_options
@json_option
@with_desk
def withdraw(
    desk: Desk,
    program: str,
    external_id: str,
    purpose: str,
    source: str,
    wording: str | None,
    ip: str | None,
    at: str | None,
    as_json: bool,
) -> None:
    """Record that a member withdrew. It holds at once, for blasts that run too; a worker tells PassKit."""
    from jobs import consents as verbs

    said = store.Said(purpose, False, source, moment_of(at) or now(), wording, ip)
    found = _program(desk, program)
    _print(desk, verbs.withdraw(desk.database, found.id, external_id, said, actor=desk.actor), as_json)


@consents.command(
    "import",
    epilog="\b\nExamples:\n  passbell consents import Kaffee newsletter.csv --source newsletter --given"
    "\n  passbell consents import Kaffee left.csv --source shop --withdrawn --purpose marketing",
)
@click.argument("program")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--purpose", type=click.Choice(PURPOSES), help="For rows without a column purpose.")
@click.option("--given/--withdrawn", default=None, help="For rows without a column given (yes or no).")
@click.option("--source", help="For rows without a column source.")
@click.option("--wording", metavar="VERSION", help="For rows without a column wording.")
@click.option("--at", metavar="TIME", help="For rows without a column at.  [now]")
@click.option(
    "--rejects", type=click.Path(path_type=Path), metavar="OUT", help="Write the rows not recorded there."
)
@json_option
@with_desk
def import_(
    desk: Desk,
    program: str,
    file: Path,
    purpose: str | None,
    given: bool | None,
    source: str | None,
    wording: str | None,
    at: str | None,
    rejects: Path | None,
    as_json: bool,
) -> None:
    """Record what a CSV, JSON or NDJSON file says, by external ids: all of it or nothing.

    A consent older than a withdrawal is not recorded, and is reported.
    """
    from jobs.intake.consents import Defaults, import_consents
    from jobs.intake.staging import check_rejects

    if rejects is not None:
        check_rejects(file, rejects)
    found = _program(desk, program)
    with Progress() as bar:
        report = import_consents(
            desk.database,
            found.id,
            file,
            home=desk.settings.home,
            defaults=Defaults(purpose, given, source, wording, moment_of(at)),
            actor=desk.actor,
            progress=lambda rows: bar.show(file.name, rows),
        )
    if rejects is not None:
        report.write_rejects(rejects)
        note(f"the rows that were not recorded are in {rejects}")
    if as_json:
        print_json(report.as_json())
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}: recorded")
    print_facts(report.counts())
    for reject in sorted(report.rejects)[:5]:
        click.echo(f"  line {reject.line}: {inert(reject.id, 40)}: {inert(reject.reason)}")
    for remark in report.notes:
        note(remark)


@consents.command(epilog="\b\nExample:\n  passbell consents token Kaffee KL-000042")
@click.argument("program")
@click.argument("external_id")
@click.option(
    "--purpose", type=click.Choice(PURPOSES), default="marketing", show_default=True, help="For what."
)
@json_option
@with_desk
def token(desk: Desk, program: str, external_id: str, purpose: str, as_json: bool) -> None:
    """Make a signed token by which whoever holds it withdraws this member's consent."""
    from jobs import consents as verbs

    found = _program(desk, program)
    made = verbs.make_token(desk.database, desk.settings, found.id, external_id, purpose)
    if as_json:
        link = verbs.opt_out_link(desk.settings, made)
        told = {"program": found.id, "external_id": external_id, "purpose": purpose}
        print_json({**told, "token": made, "link": link})
    else:
        click.echo(made)


@consents.command(epilog="\b\nExample:\n  passbell consents redeem eyJhbGciOi...")
@click.argument("token")
@click.option("--ip", metavar="ADDRESS", help="From which address it came.")
@json_option
@with_desk
def redeem(desk: Desk, token: str, ip: str | None, as_json: bool) -> None:
    """Withdraw as a token says; twice is once."""
    from jobs import consents as verbs

    _print(desk, verbs.redeem(desk.database, desk.settings, token, ip=ip, actor=desk.actor), as_json)


def _print(desk: Desk, spoken: Spoken, as_json: bool) -> None:
    if as_json:
        print_json(spoken.as_json())
        return
    one = spoken.consent
    stood = "" if spoken.new else " already"
    click.echo(
        f"{desk.settings.mode}: {inert(spoken.external_id)}: {one.purpose} is{stood} {_word(one.given)}"
    )
    if spoken.note:
        note(spoken.note)


def _word(given: bool) -> str:
    return "given" if given else "withdrawn"
