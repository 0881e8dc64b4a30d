"""`passbell init`, `passbell doctor` and `passbell backup`: what keeps an installation well."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.cli.options import json_option, with_desk
from console.cli.output import print_json
from console.desk import Desk
from console.plain import inert
from store import roles
from store.errors import PassbellError, Refused
from store.settings import FILE_NAME
from store.settings_example import example

if TYPE_CHECKING:
    from jobs.doctor import Finding

NEXT = {
    "REHEARSAL": """\
No PassKit key, pass type or Google issuer is set, so this is a REHEARSAL: stand-ins on this machine answer.
Next:
  passbell sync       read the programs and members of the stand-in PassKit
  passbell templates new FOLDER   or begin with passes that you issue yourself
  passbell            open the console
  passbell worker     send what is launched, where no console is open
To go LIVE, put passkit.api_key and passkit.api_secret into the settings file, then: passbell doctor
With passes of your own: apple.pass_type or google.issuer, web.url, and passbell credentials add --help""",
    "LIVE": """\
A PassKit key, a pass type or a Google issuer is set, so this is LIVE: messages reach real phones.
Next:
  passbell doctor     check keys, certificates, clock, programs and designs
  passbell sync       read PassKit's programs and members
  passbell            open the console""",
}


@click.command(epilog="\b\nExample:\n  passbell backup /var/backups/passbell/one.db")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@with_desk
def backup(desk: Desk, file: Path, as_json: bool) -> None:
    """Copy the store into a new FILE, as it is at one moment, while workers run. SQLite only.

    The settings file is not in it, and the queue need not be kept.
    """
    desk.database.copy_to(file)
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        click.echo(f"{inert(str(file))}: {size:,} bytes")


@click.command(epilog="\b\nExample:\n  passbell --home ./shop init")
@json_option
@with_desk
def init(desk: Desk, as_json: bool) -> None:
    """Make the home folder, its settings file and the store. Nothing that exists is overwritten."""
    roles.check(desk.settings.role, "init")
    file = desk.settings.home / FILE_NAME
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as made:
            made.write(example())
        written = True
    except FileExistsError:
        written = False
    except OSError as error:
        raise PassbellError(f"cannot write {file}: {error.strerror}") from None
    store = str(desk.database)
    if as_json:
        print_json(
            {
                "mode": desk.settings.mode,
                "home": str(desk.settings.home),
                "file": str(file),
                "written": written,
                "store": store,
            }
        )
        return
    click.echo(f"settings: {inert(str(file))} ({'written' if written else 'was there and is left as it is'})")
    click.echo(f"store:    {inert(store)} (ready)")
    click.echo(f"\n{NEXT[desk.settings.mode]}")


@click.command(epilog="\b\nExample:\n  passbell doctor --json | jq 'select(.level != \"ok\")'")
@json_option
@with_desk
@click.pass_context
def doctor(context: click.Context, desk: Desk, as_json: bool) -> None:
    """Say what stands between a text and a lock screen: settings, store, queue, credentials, clock, designs.

    It changes nothing. Exits with 1 if something fails. With --json, one finding a line.
    """
    found = [*asyncio.run(_examine(desk)), *_examine_keys(desk)]
    if not as_json:
        click.echo(desk.settings.mode)
    for finding in found:
        if as_json:
            print_json(finding.as_json())
            continue
        named = finding.sentence.startswith(finding.subject)
        sentence = finding.sentence if named else f"{finding.subject}: {finding.sentence}"
        click.echo(f"{finding.level:4}  {inert(sentence)}")
        if finding.hint:
            click.echo(f"      -> {inert(finding.hint)}")
    if any(finding.level == "fail" for finding in found):
        context.exit(1)


def _examine_keys(desk: Desk) -> list[Finding]:
    """What the console would refuse to open with; nothing where nobody has keys of their own."""
    from console.keymap import faults
    from jobs.doctor import Finding

    own = desk.settings.console.keys
    wrong = [
        Finding("fail", "keys", fault, "Change [console.keys] in the settings.") for fault in faults(own)
    ]
    fine = Finding("ok", "keys", f"{len(own)} of the console's actions have keys of your own")
    return wrong or [fine] * bool(own)


async def _examine(desk: Desk) -> list[Finding]:
    from jobs.account import open_client
    from jobs.doctor import Finding, examine
    from store.database import Database

    # Not the desk's own database: that one is brought up to date at first use, and a doctor only looks.
    database = Database(desk.settings.store_url, desk.settings.role)
    own_alone = desk.settings.live and not desk.settings.passkit.api_key
    client, not_asked = None, []
    try:
        if not own_alone:
            client = open_client(desk.settings)
    except Refused as error:  # a viewer starts no stand-in
        not_asked = [Finding("warn", "stand-in", str(error))]
    try:
        return await examine(database, client, desk.settings) + not_asked
    finally:
        if client is not None:
            await client.close()
        database.close()
