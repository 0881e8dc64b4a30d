"""`passbell audiences`."""

from __future__ import annotations

from pathlib import Path

import click

from console.cli.choice import choice_options, choose
from console.cli.options import json_option, with_desk
from console.cli.output import print_json, print_table
from console.desk import Desk
from console.plain import inert
from jobs import audiences as verbs
from store import audiences as store
from store import members, programs
from store.times import rfc3339

SAMPLE = 5


@click.group()
def audiences() -> None:
    """Audiences: who is meant, saved under a name."""


@audiences.command(
    epilog="\b\nExamples:\n  passbell audiences save Kaffee gold --where \"tier = 'gold'\""
    "\n  passbell audiences save Kaffee invited --file invited.csv --rejects rejects.csv"
)
@click.argument("program")
@click.argument("name")
@choice_options(saved=False)
@click.option("--replace", is_flag=True, help="Take the place of an audience of that name.")
@json_option
@with_desk
def save(
    desk: Desk,
    program: str,
    name: str,
    everybody: bool,
    where: str | None,
    file: Path | None,
    rejects: Path | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Keep a choice under NAME. An expression is asked anew each time; a file's members are kept as read."""
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
    chosen = choose(desk, found.id, everybody=everybody, where=where, file=file, rejects=rejects)
    assert isinstance(chosen.who, store.Selection)
    saved = verbs.save(desk.database, found.id, name, chosen.who, replace=replace, actor=desk.actor)
    with desk.database.read() as connection:
        count = store.count(connection, found.id, saved)
    if as_json:
        print_json(saved.as_json() | {"count": count, "file": chosen.file_as_json()})
        return
    click.echo(f"{desk.settings.mode}: saved {inert(store.in_words(saved))}: {count:,} members now")
    if chosen.file:
        click.echo(inert(chosen.file_in_words()))


@audiences.command("list", epilog="\b\nExample:\n  passbell audiences list --program Kaffee")
@click.option("--program", metavar="ID", help="Only those of one program.")
@json_option
@with_desk
def list_(desk: Desk, program: str | None, as_json: bool) -> None:
    """Saved audiences."""
    account = desk.settings.account
    with desk.database.read() as connection:
        names = {row.program.id: row.program.name for row in programs.list_programs(connection, account)}
        wanted = programs.get(connection, program, account).id if program is not None else None
        saved = [one for one in store.list_all(connection, wanted) if one.program_id in names]
    if as_json:
        for one in saved:
            print_json(one.as_json())
        return
    click.echo(desk.settings.mode)
    if not saved:
        click.echo("No audiences yet: see `passbell audiences save --help`.")
        return
    print_table(
        ("program", "name", "kind", "expression", "created"),
        [
            (names[one.program_id], one.name, one.kind, one.expression, (rfc3339(one.created_at) or "")[:10])
            for one in saved
        ],
    )


@audiences.command(epilog="\b\nExample:\n  passbell audiences show Kaffee gold")
@click.argument("program")
@click.argument("name")
@json_option
@with_desk
def show(desk: Desk, program: str, name: str, as_json: bool) -> None:
    """One audience: who is meant, how many they are now, and the first of them."""
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
        saved = store.by_name(connection, found.id, name)
        condition = store.condition(connection, found.id, saved)
        count = members.count(connection, found.id, condition=condition)
        some = members.page(connection, found.id, condition=condition, limit=SAMPLE)
    if as_json:
        print_json(saved.as_json() | {"count": count, "sample": [one.external_id for one in some]})
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}: {inert(store.in_words(saved))}")
    click.echo(f"{count:,} members now{', among them:' if some else ''}")
    for one in some:
        click.echo(f"  {inert(one.external_id)}  {inert(one.name, 60)}")


@audiences.command(epilog="\b\nExample:\n  passbell audiences delete Kaffee gold")
@click.argument("program")
@click.argument("name")
@json_option
@with_desk
def delete(desk: Desk, program: str, name: str, as_json: bool) -> None:
    """Forget an audience. Blasts that were planned with it keep their members."""
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
    saved = verbs.delete(desk.database, found.id, name, actor=desk.actor)
    if as_json:
        print_json({"deleted": saved.as_json()})
    else:
        click.echo(f"{desk.settings.mode}: deleted {inert(saved.name)}")
