"""`passbell templates`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.cli.options import json_option, with_desk
from console.cli.output import LARGEST, Progress, note, print_facts, print_json, print_table
from console.desk import Desk
from console.plain import inert
from store import programs
from store.times import rfc3339

if TYPE_CHECKING:
    from jobs.passes.template import Template

folder_argument = click.argument("folder", type=click.Path(path_type=Path))


@click.group()
def templates() -> None:
    """Templates: how passes look that passbell issues itself."""


@templates.command(epilog="\b\nExample:\n  passbell templates new linden && $EDITOR linden/template.toml")
@folder_argument
@json_option
@with_desk
def new(desk: Desk, folder: Path, as_json: bool) -> None:
    """Write a small working template into FOLDER, which is new or empty."""
    from jobs.passes import example

    files = example.write(folder)
    if as_json:
        print_json({"folder": str(folder), "files": [file.name for file in files]})
        return
    click.echo(f"wrote {inert(str(folder))}: {', '.join(file.name for file in files)}")
    click.echo(
        f"Change template.toml and the pictures, then `passbell templates check {inert(str(folder))}`."
    )


@templates.command(epilog="\b\nExample:\n  passbell templates check linden")
@folder_argument
@json_option
@with_desk
def check(desk: Desk, folder: Path, as_json: bool) -> None:
    """Say whether Apple and Google would take the template in FOLDER; nothing is kept."""
    from jobs.passes.folder import read_folder

    found = read_folder(folder)
    if as_json:
        print_json(found.as_json())
        return
    click.echo(f"{inert(str(folder))} is in order")
    _show(found)
    for text in found.untaken():
        note(f"a translation is of no text of the template: {text!r}")


@templates.command(epilog="\b\nExample:\n  passbell templates add Linden linden")
@click.argument("program")
@folder_argument
@json_option
@with_desk
def add(desk: Desk, program: str, folder: Path, as_json: bool) -> None:
    """Make the template in FOLDER the one of PROGRAM, as a new version: all its passes change.

    Phones are told by a worker. The template in force given again stays the version that it is; a run that
    was ended is completed so.
    """
    from jobs.passes import programs as verbs
    from jobs.passes.folder import read_folder

    found = read_folder(folder)
    with Progress() as bar:
        added = verbs.add_template(
            desk.database,
            desk.settings,
            program,
            found,
            actor=desk.actor,
            progress=lambda done, total: bar.show("passes", done, total),
        )
    if as_json:
        print_json(added.as_json() | {"mode": desk.settings.mode})
        return
    what = "version" if added.new else "no change: it is version"
    click.echo(f"{desk.settings.mode}: {what} {added.version} of {added.program_id}")
    if added.passes:
        click.echo(f"{added.passes:,} passes changed; a worker tells their phones")


@templates.command("list", epilog="\b\nExample:\n  passbell templates list Linden --json | jq .version")
@click.argument("program")
@json_option
@with_desk
def list_(desk: Desk, program: str, as_json: bool) -> None:
    """All versions of PROGRAM's template, the newest first: that is the one in force."""
    from store import templates as store

    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
        versions = store.listed(connection, found.id)
    if as_json:
        for one in versions:
            print_json({key: value for key, value in one.as_json().items() if key not in ("design", "files")})
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}")
    if not versions:
        note("it has no template: PassKit makes its passes" if found.issuer == "passkit" else "none yet")
        return
    rows = [(one.version, (rfc3339(one.at) or "")[:19], one.actor, one.hash[:12]) for one in versions]
    print_table(("version", "at", "by", "hash"), rows, right=("version",))


@templates.command(epilog="\b\nExample:\n  passbell templates show Linden --version 1 --json | jq .design")
@click.argument("program")
@click.option("--version", type=click.IntRange(1, LARGEST), help="Another than the one in force.")
@json_option
@with_desk
def show(desk: Desk, program: str, version: int | None, as_json: bool) -> None:
    """One version of PROGRAM's template."""
    from jobs.passes import template
    from store import templates as store

    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
        stored = store.get(connection, found.id, version)
    if as_json:
        print_json(stored.as_json())
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}, version {stored.version}")
    _show(template.of(stored))


def _show(found: Template) -> None:
    print_facts(
        {
            "Apple": found.style,
            "Google": found.google.type,
            "organisation": found.organisation,
            "message": f"{found.message.label} ({found.message.key})",
            "languages": ", ".join((found.locale, *found.strings)),
            "names fields": ", ".join(sorted(found.names)),
            "files": ", ".join(sorted(found.files)),
        }
    )
    rows = [(one.place, one.key, one.label, one.value) for one in found.fields]
    print_table(("place", "key", "label", "value"), rows)
