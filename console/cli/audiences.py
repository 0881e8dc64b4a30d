"""`passbell audiences`."""

from __future__ import annotations

from typing import Any

import click

from console.audience_words import how_many, sizes_in_words, sparkline, uses_in_words
from console.cli.choice import choice_options, choose
from console.cli.options import json_option, with_desk
from console.cli.output import print_json, print_table
from console.desk import Desk
from console.plain import inert, inert_lines
from jobs import audiences as verbs
from store import audiences as store
from store import explain as explaining
from store import members, presets, programs, sizes
from store.errors import UsageError
from store.sizes import Size
from store.times import now, rfc3339

SAMPLE = 5

description_option = click.option("--description", metavar="TEXT", help="What it is for, on one line.")
replace_option = click.option(
    "--replace", is_flag=True, help="Give an audience of that name another meaning; it keeps its past sizes."
)


@click.group()
def audiences() -> None:
    """Audiences: who is meant, saved under a name."""


@audiences.command(
    epilog="\b\nExamples:\n  passbell audiences save Kaffee gold --where \"tier = 'gold'\""
    "\n  passbell audiences save Kaffee invited --file invited.csv --rejects rejects.csv"
    '\n  passbell audiences save Kaffee nearby --preset local=90210 --description "for the street party"'
)
@click.argument("program")
@click.argument("name")
@choice_options(saved=False)
@description_option
@replace_option
@json_option
@with_desk
def save(
    desk: Desk,
    program: str,
    name: str,
    who: dict[str, Any],
    description: str | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Keep a choice under NAME. An expression is asked anew each time; a file's members are kept as read."""
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
    chosen = choose(desk, found.id, **who)
    assert isinstance(chosen.who, store.Selection)
    saved = verbs.save(
        desk.database,
        found.id,
        name,
        chosen.who,
        description=description,
        replace=replace,
        actor=desk.actor,
    )
    count = verbs.count(desk.database, found.id, saved)
    if as_json:
        print_json(saved.as_json() | {"count": count, "file": chosen.file_as_json()})
        return
    click.echo(f"{desk.settings.mode}: saved {inert(store.in_words(saved))}: {how_many(count)} now")
    if chosen.file:
        click.echo(inert(chosen.file_in_words()))


@audiences.command(
    epilog="\b\nExamples:\n  passbell audiences combine Kaffee treat --union gold --union vip --minus lately"
    "\n  passbell audiences combine Kaffee both --intersect gold --intersect nearby"
)
@click.argument("program")
@click.argument("name")
@click.option("--union", multiple=True, metavar="AUDIENCE", help="Members of any of these.")
@click.option("--intersect", multiple=True, metavar="AUDIENCE", help="Only those who are in this one too.")
@click.option("--minus", multiple=True, metavar="AUDIENCE", help="Without those who are in this one.")
@description_option
@replace_option
@json_option
@with_desk
def combine(
    desk: Desk,
    program: str,
    name: str,
    union: tuple[str, ...],
    intersect: tuple[str, ...],
    minus: tuple[str, ...],
    description: str | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Keep a combination of saved audiences under NAME. It follows them: each use asks them anew."""
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
    chosen = verbs.combination(union=union, intersect=intersect, minus=minus)
    saved = verbs.save(
        desk.database, found.id, name, chosen, description=description, replace=replace, actor=desk.actor
    )
    count = verbs.count(desk.database, found.id, saved)
    if as_json:
        print_json(saved.as_json() | {"count": count})
        return
    click.echo(f"{desk.settings.mode}: saved {inert(store.in_words(saved))}: {how_many(count)} now")


@audiences.command(
    "presets",
    epilog="\b\nExamples:\n  passbell audiences presets Kaffee"
    '\n  passbell members list Kaffee --where "last_message_at IS NULL"',
)
@click.argument("program")
@json_option
@with_desk
def presets_(desk: Desk, program: str, as_json: bool) -> None:
    """Audiences that every shop asks for, for --preset: what each is for, and how many they are now."""
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
        counts = {
            one.name: store.count(connection, found.id, store.Selection("where", one.expression))
            for one in presets.PRESETS
            if one.field is None
        }
    if as_json:
        for one in presets.PRESETS:
            facts = {"name": one.name, "expression": one.expression, "meaning": one.meaning}
            print_json(facts | {"value_for": one.field, "count": counts.get(one.name)})
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}")
    rows = [(one.name, counts.get(one.name), one.meaning, one.expression) for one in presets.PRESETS]
    print_table(("preset", "members", "for", "expression"), rows, right=("members",))


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
        noted = {one.id: sizes.newest(connection, one.id) for one in saved}
    if as_json:
        for one in saved:
            print_json(one.as_json() | {"sizes": sizes_as_json(noted[one.id])})
        return
    click.echo(desk.settings.mode)
    if not saved:
        click.echo("No audiences yet: see `passbell audiences save --help`.")
        return
    print_table(
        ("program", "name", "kind", "expression", "size", "sizes", "created", "description"),
        [
            (
                names[one.program_id],
                one.name,
                one.kind,
                one.expression,
                noted[one.id][-1].members if noted[one.id] else None,
                sparkline(noted[one.id]),
                (rfc3339(one.created_at) or "")[:10],
                one.description,
            )
            for one in saved
        ],
        right=("size",),
    )


@audiences.command(epilog="\b\nExample:\n  passbell audiences show Kaffee gold")
@click.argument("program")
@click.argument("name")
@json_option
@with_desk
def show(desk: Desk, program: str, name: str, as_json: bool) -> None:
    """One audience: who is meant, how many they are now and were, the first of them, and where it is used."""
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
        saved = store.by_name(connection, found.id, name)
    count = verbs.count(desk.database, found.id, saved)
    with desk.database.read() as connection:
        condition = store.condition(connection, found.id, saved)
        some = members.page(connection, found.id, condition=condition, limit=SAMPLE)
        noted, uses = sizes.newest(connection, saved.id), store.uses(connection, saved)
    if as_json:
        facts = {"count": count, "sample": [one.external_id for one in some], "sizes": sizes_as_json(noted)}
        print_json(saved.as_json() | facts | {"used_by": uses_as_json(uses)})
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}: {inert(store.in_words(saved))}")
    if saved.description:
        click.echo(inert(saved.description))
    click.echo(f"{how_many(count)} now{', among them:' if some else ''}")
    for one in some:
        click.echo(f"  {inert(one.external_id)}  {inert(one.name, 60)}")
    click.echo(f"sizes:   {sparkline(noted)}  {sizes_in_words(noted)}")
    click.echo(f"used by: {inert(uses_in_words(uses))}")


@audiences.command(
    epilog="\b\nExamples:\n  passbell audiences explain Kaffee gold"
    '\n  passbell audiences explain Kaffee --where "points > 500 AND days_since(created_at) > 90"'
)
@click.argument("program")
@click.argument("name", required=False)
@click.option("--where", metavar="EXPR", help="An expression that is not saved.")
@json_option
@with_desk
def explain(desk: Desk, program: str, name: str | None, where: str | None, as_json: bool) -> None:
    """Say in words what an audience or an expression selects, and how many members each part does alone."""
    if (name is None) == (where is None):
        raise UsageError("name a saved audience, or give an expression with --where, and not both")
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
        chosen: store.Audience | store.Selection = store.Selection("where", where)
        if name is not None:
            chosen = store.by_name(connection, found.id, name)
        words, told = store.in_words(chosen), []
        if chosen.kind == "where":
            expression, at = chosen.expression or "", now()
            words = explaining.explain(connection, found.id, expression, at)
            join, clauses = explaining.parts(connection, found.id, expression, at)
            alone = explaining.counts(connection, found.id, clauses, at)
            told = list(zip(clauses, alone, strict=True))
        count = store.count(connection, found.id, chosen)
    if as_json:
        listed = [{"text": part.text, "words": part.words, "members": size} for part, size in told]
        facts = {"program": found.id, "expression": chosen.expression, "words": words}
        print_json(facts | {"clauses": listed, "count": count})
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}")
    click.echo(inert_lines(words))
    click.echo(f"{how_many(count)} now{', alone:' if len(told) > 1 else ''}")
    if len(told) > 1:
        print_table((f"part ({join})", "members"), [(part.text, f"{size:,}") for part, size in told])


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


def sizes_as_json(noted: list[Size]) -> list[dict[str, object]]:
    """How many they were, the oldest first."""
    return [{"at": rfc3339(size.at), "members": size.members} for size in noted]


def uses_as_json(uses: store.Uses) -> dict[str, object]:
    """Blasts and audiences that use it."""
    return {"blasts": [{"id": id_, "name": name} for id_, name in uses.blasts], "audiences": uses.audiences}
