"""`passbell suppressions`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.audience_words import how_many
from console.cli.consents import moment_of
from console.cli.options import json_option, with_desk
from console.cli.output import LARGEST, Progress, note, print_facts, print_json, print_table
from console.desk import Desk
from console.plain import inert
from store import programs
from store import suppressions as store
from store.errors import UsageError
from store.times import now

if TYPE_CHECKING:
    from store.suppressions import Suppression

SHOWN_HASH = 12


@click.group()
def suppressions() -> None:
    """Suppressions: who must not be messaged, whatever else is known of them. Only hashes are kept."""


def who_options(command: Any) -> Any:
    """The value that names somebody."""
    for option in (
        click.option("--program", metavar="ID", help="In this program only.  [every program]"),
        click.option("--phone", help="Whoever has this phone, with its country code."),
        click.option("--email", help="Whoever has this e-mail."),
        click.option("--external-id", help="The member with exactly this id."),
    ):
        command = option(command)
    return command


def _who(**given: str | None) -> tuple[str, str]:
    named = {kind: value for kind, value in given.items() if value is not None}
    if len(named) != 1:
        raise UsageError("say with exactly one of --external-id, --email and --phone who is meant")
    return next(iter(named.items()))


def _scope(desk: Desk, program: str | None) -> str:
    if program is None:
        return ""
    with desk.database.read() as connection:
        return programs.get(connection, program, desk.settings.account).id


@suppressions.command(
    "list", epilog="\b\nExample:\n  passbell suppressions list --program Kaffee --json | jq -r .reason"
)
@click.option("--program", metavar="ID", help="Only those that hold for this program.")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, LARGEST), help="At most so many."
)
@json_option
@with_desk
def list_(desk: Desk, program: str | None, limit: int, as_json: bool) -> None:
    """The list, with how many known members each entry means. The values cannot be told from the hashes."""
    scope = _scope(desk, program)
    scopes = ["", scope] if scope else None
    with desk.database.read() as connection:
        found = store.page(connection, scopes=scopes, limit=limit + 1)
        names = programs.names(connection, desk.settings.account)
    if as_json:
        for one in found[:limit]:
            print_json(one.as_json())
    elif not found:
        click.echo(f"{desk.settings.mode}: nobody is suppressed")
    else:
        click.echo(desk.settings.mode)
        print_table(
            ("id", "program", "kind", "hash", "reason", "expires", "members"),
            [_row(one, names) for one in found[:limit]],
            right=("id", "members"),
        )
    if len(found) > limit:
        note(f"only the first {limit:,} are shown: --limit shows more")


def _row(one: Suppression, names: dict[str, str]) -> tuple[object, ...]:
    told = one.as_json()
    expires = (told["expires_at"] or "never")[:19].replace("T", " ")
    if not one.in_force(now()):
        expires += " (over)"
    scope = names.get(one.scope, one.scope) or "every"
    return one.id, scope, one.kind, one.hash[:SHOWN_HASH], one.reason, expires, one.members


@suppressions.command(
    epilog="\b\nExamples:\n  passbell suppressions add --email anna@example.com --reason complaint"
    '\n  passbell suppressions add --external-id KL-000042 --program Kaffee --reason "asked to pause"'
    " --expires 2027-01-31"
)
@who_options
@click.option("--reason", required=True, help="Why.")
@click.option("--expires", metavar="TIME", help="Until when, such as 2027-01-31.  [for ever]")
@json_option
@with_desk
def add(
    desk: Desk,
    program: str | None,
    external_id: str | None,
    email: str | None,
    phone: str | None,
    reason: str,
    expires: str | None,
    as_json: bool,
) -> None:
    """Suppress somebody, known already or not. It holds at once, for blasts that run too.

    Who is on the list already keeps the later of both expiries.
    """
    from jobs import suppressions as verbs

    kind, value = _who(external_id=external_id, email=email, phone=phone)
    scope = _scope(desk, program)
    with Progress() as bar:
        added = verbs.add(
            desk.database,
            desk.settings,
            kind,
            value,
            scope=scope,
            reason=reason,
            expires_at=moment_of(expires),
            actor=desk.actor,
            progress=lambda done, total: bar.show("members", done, total),
        )
    if as_json:
        print_json(added.as_json())
        return
    one = added.suppression
    stood = "suppressed" if added.new else "was suppressed already"
    click.echo(f"{desk.settings.mode}: {stood} (number {one.id}): {how_many(one.members)} known now")


@suppressions.command(
    epilog="\b\nExamples:\n  passbell suppressions remove 7"
    "\n  passbell suppressions remove --email anna@example.com"
)
@click.argument("suppression", type=click.IntRange(1, LARGEST), metavar="[ID]", required=False)
@who_options
@json_option
@with_desk
def remove(
    desk: Desk,
    suppression: int | None,
    program: str | None,
    external_id: str | None,
    email: str | None,
    phone: str | None,
    as_json: bool,
) -> None:
    """Take an entry off the list, by its number or by its value. Its members are free at once."""
    from jobs import suppressions as verbs

    if suppression is not None:
        if any(value is not None for value in (program, external_id, email, phone)):
            raise UsageError("say who is meant by the number or by a value, not by both")
        gone = verbs.remove(desk.database, suppression, actor=desk.actor)
    else:
        kind, value = _who(external_id=external_id, email=email, phone=phone)
        scope = _scope(desk, program)
        gone = verbs.remove_value(desk.database, desk.settings, kind, value, scope=scope, actor=desk.actor)
    if as_json:
        print_json({"removed": gone.as_json()})
    else:
        click.echo(
            f"{desk.settings.mode}: removed number {gone.id} ({inert(gone.reason)}): {how_many(gone.members)}"
        )


@suppressions.command(
    "import",
    epilog="\b\nExamples:\n  passbell suppressions import bounced.csv --reason bounced"
    "\n  passbell suppressions import robinson.txt --kind email --reason robinson-list"
    "\n  passbell suppressions import exported.csv",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--kind", type=click.Choice(store.KINDS), help="What the file's first column holds.")
@click.option("--program", metavar="ID", help="In this program only.  [as the file says, else every]")
@click.option("--reason", default="", help="For rows without a column reason.")
@click.option("--expires", metavar="TIME", help="For rows without a column expires_at.  [for ever]")
@click.option(
    "--rejects", type=click.Path(path_type=Path), metavar="OUT", help="Write the rows not taken there."
)
@json_option
@with_desk
def import_(
    desk: Desk,
    file: Path,
    kind: str | None,
    program: str | None,
    reason: str,
    expires: str | None,
    rejects: Path | None,
    as_json: bool,
) -> None:
    """Suppress everybody whom a CSV, JSON or NDJSON file names in columns external_id, email or phone.

    A list that `export` wrote is taken too, if this store has the same consent secret.
    """
    from jobs.intake.staging import check_rejects
    from jobs.intake.suppressions import import_suppressions

    if rejects is not None:
        check_rejects(file, rejects)
    scope = _scope(desk, program)
    with Progress() as bar:
        report = import_suppressions(
            desk.database,
            desk.settings,
            file,
            kind=kind,
            scope=scope,
            reason=reason,
            expires_at=moment_of(expires),
            actor=desk.actor,
            progress=lambda done, total: bar.show("members", done, total),
        )
    if rejects is not None:
        report.write_rejects(rejects)
        note(f"the rows that were not taken are in {rejects}")
    if as_json:
        print_json(report.as_json())
        return
    click.echo(f"{desk.settings.mode}: suppressed")
    print_facts(report.counts())
    for reject in sorted(report.rejects)[:5]:
        click.echo(f"  line {reject.line}: {inert(reject.reason)}")


@suppressions.command(epilog="\b\nExample:\n  passbell suppressions export suppressed.csv")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@with_desk
def export(desk: Desk, file: Path, as_json: bool) -> None:
    """Write the list into a new CSV file: hashes, reasons and expiries, no value."""
    from jobs import suppressions as verbs

    count = verbs.export(desk.database, desk.settings, file, actor=desk.actor)
    if as_json:
        print_json({"file": str(file), "entries": count})
    else:
        click.echo(f"{desk.settings.mode}: {count:,} entries are in {inert(str(file))}")
