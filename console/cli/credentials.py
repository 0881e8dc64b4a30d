"""`passbell credentials`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.cli.options import json_option, with_desk
from console.cli.output import note, print_json, print_table
from console.desk import Desk
from console.plain import inert
from store.errors import UsageError
from store.times import now, rfc3339

if TYPE_CHECKING:
    from jobs.passes.credentials import State

file_type = click.Path(path_type=Path, dir_okay=False)
PASSWORD_VARIABLE = "PASSBELL_APPLE__KEY_PASSWORD"


@click.group()
def credentials() -> None:
    """Credentials: what passes are signed with, and phones are told by. Kept encrypted in the store."""


@credentials.group(epilog="\b\nExample:\n  passbell credentials add google service-account.json")
def add() -> None:
    """Keep a credential in the store, encrypted with the secret of [keys]. One of its name is replaced."""


@add.command(
    epilog="\b\nExamples:\n  passbell credentials add apple --certificate pass.p12 --wwdr AppleWWDRCAG4.cer"
    "\n  passbell credentials add apple --certificate pass.pem --key key.pem --wwdr AppleWWDRCAG4.cer"
)
@click.option("--certificate", required=True, type=file_type, help="A .p12 file, or the certificate in PEM.")
@click.option("--key", type=file_type, help="The key in PEM, where it is in a file of its own.")
@click.option("--wwdr", type=file_type, help="Apple's intermediate certificate, WWDR G4.  [apple.wwdr]")
@json_option
@with_desk
def apple(desk: Desk, certificate: Path, key: Path | None, wwdr: Path | None, as_json: bool) -> None:
    """Apple's Pass Type ID certificate, with its key.

    The password of a locked file is asked for, or taken from apple.key_password
    (PASSBELL_APPLE__KEY_PASSWORD in the environment).
    """
    from jobs.passes import credentials as verbs

    def keep(password: str | None) -> State:
        return verbs.add_apple(
            desk.database,
            desk.settings,
            certificate,
            key=key,
            wwdr=wwdr,
            password=password,
            actor=desk.actor,
        )

    try:
        state = keep(desk.settings.apple.key_password.get_secret_value() or None)
    except verbs.PasswordNeeded as locked:
        if sys.stdin is None or not sys.stdin.isatty():
            raise UsageError(f"{locked}: give it in {PASSWORD_VARIABLE}") from None
        state = keep(click.prompt(f"Password of {inert(str(certificate))}", hide_input=True, err=True))
    _kept(desk, state, as_json)
    if not desk.settings.apple.pass_type:
        note(f"passes use it once apple.pass_type is set: {state.subject}")


@add.command(epilog="\b\nExample:\n  passbell credentials add google service-account.json")
@click.argument("file", type=file_type)
@json_option
@with_desk
def google(desk: Desk, file: Path, as_json: bool) -> None:
    """The JSON key of a service account that the Pay & Wallet console has invited."""
    from jobs.passes import credentials as verbs

    state = verbs.add_google(desk.database, desk.settings, file, actor=desk.actor)
    _kept(desk, state, as_json)


@add.command(
    "push_key", epilog="\b\nExample:\n  passbell credentials add push_key AuthKey.p8 --key-id ABC123DEFG"
)
@click.argument("file", type=file_type)
@click.option("--key-id", required=True, help="Its id, as Apple shows it.")
@json_option
@with_desk
def push_key(desk: Desk, file: Path, key_id: str, as_json: bool) -> None:
    """A .p8 key, for apple.push_with = "key", which Apple does not document for passes."""
    from jobs.passes import credentials as verbs

    state = verbs.add_push_key(desk.database, desk.settings, file, key_id, actor=desk.actor)
    _kept(desk, state, as_json)


@credentials.command("list", epilog="\b\nExample:\n  passbell credentials list --json | jq .days_left")
@json_option
@with_desk
def list_(desk: Desk, as_json: bool) -> None:
    """Every credential that is set up, by file or in the store, and for how long it is good.

    Warns from 30 days before one expires.
    """
    from jobs.passes import credentials as verbs

    at = now()
    found = [*verbs.states(desk.settings, desk.database)]
    if as_json:
        for one in found:
            print_json(one.as_json(at))
        return
    click.echo(desk.settings.mode)
    if not found:
        click.echo("No credentials yet: a rehearsal has its own. See `passbell credentials add --help`.")
        return
    rows = [
        (one.name, one.place, one.subject, (rfc3339(one.expires_at) or "")[:10], one.days_left(at))
        for one in found
    ]
    print_table(("name", "from", "subject", "expires", "days left"), rows, right=("days left",))
    for one in found:
        if one.level(at) != "ok":
            note(f"{one.name}: {one.sentence(at)}")


@credentials.command(epilog="\b\nExample:\n  passbell credentials remove google")
@click.argument("name")
@json_option
@with_desk
def remove(desk: Desk, name: str, as_json: bool) -> None:
    """Forget the credential NAME that the store keeps: apple, push_key or google."""
    from jobs.passes import credentials as verbs

    verbs.remove(desk.database, name, actor=desk.actor)
    if as_json:
        print_json({"name": name, "removed": True})
        return
    click.echo(f"{desk.settings.mode}: removed {inert(name)}")


def _kept(desk: Desk, state: State, as_json: bool) -> None:
    at = now()
    if as_json:
        print_json(state.as_json(at))
        return
    click.echo(f"{desk.settings.mode}: keeps {state.name}: {inert(state.sentence(at))}")
    if state.level(at) != "ok":
        note(state.sentence(at))
