"""`passbell passes`: passes of our own programs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from console.cli.asked import typed
from console.cli.options import json_option, with_desk
from console.cli.output import note, print_facts, print_json
from console.cli.passes_issue import issue
from console.cli.passes_shown import events, held, list_, own, show
from console.desk import Desk
from console.plain import inert
from store import roles
from store.errors import Refused, UsageError


@click.group()
def passes() -> None:
    """Passes that passbell issues itself: issue, rehearse, show, link, list, void, events."""


@passes.command(epilog="\b\nExample:\n  passbell passes rehearse club --limit 20")
@click.argument("program")
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="At most N passes.",
)
@json_option
@with_desk
def rehearse(desk: Desk, program: str, limit: int, as_json: bool) -> None:
    """In a REHEARSAL: let simulated iPhones take the passes that nobody has yet.

    They download and verify them at `passbell serve`, which has to run, and from then on do what phones do
    at a blast; some are slow, away, or have updates switched off. They end with the stand-ins, which end by
    themselves when nothing happened for a quarter of an hour.
    """
    from jobs import house

    found = own(desk, program)
    told = house.rehearse(desk.database, desk.settings, found, most=limit)
    if as_json:
        print_json(told)
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}")
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in told["kinds"].items())
    facts = {"taken": told["taken"], "phones": f"{told['phones']:,} ({kinds})" if kinds else "0"}
    trouble = {f"trouble, {inert(word, 60)}": count for word, count in told["trouble"].items()}
    print_facts({**facts, "passes on them": told["registered"], **trouble})
    if not told["taken"]:
        note("no Apple pass of the program waits to be taken: `passbell passes issue` makes some")


@passes.command(
    epilog="""\b
Examples:
  passbell passes link club KL-7 --qr
  passbell passes link club KL-7 --out card.svg"""
)
@click.argument("program")
@click.argument("external_id")
@click.option("--qr", is_flag=True, help="Show it as a QR code, too.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it there: .png or .svg.",
)
@json_option
@with_desk
def link(desk: Desk, program: str, external_id: str, qr: bool, out: Path | None, as_json: bool) -> None:
    """The links by which a member gets its pass. Who has a link has the pass, so send it to nobody else."""
    from jobs.passes import codes, handout

    roles.check(desk.settings.role, "passes.link")
    kind = None if out is None else codes.kind_of(out)
    found = own(desk, program)
    held(desk, found, external_id)
    links = handout.links_of(desk.database, desk.settings, found.id, external_id)
    if links.best is None:
        raise Refused(f"{external_id!r} has no pass that can be handed out: `passbell passes show` says why")
    if out is not None and kind is not None:
        try:
            out.write_bytes(codes.image(links.best, kind))
        except OSError as error:
            raise UsageError(f"cannot write {out}: {error.strerror}") from None
    if as_json:
        print_json({"program": found.id, "external_id": external_id, **links.as_json()})
        return
    print_facts({name.replace("_", " "): value for name, value in links.as_json().items() if value})
    if qr:
        click.echo(codes.terminal(links.best, colours=sys.stdout.isatty()))


@passes.command(epilog="\b\nExample:\n  passbell passes void club KL-7 --yes")
@click.argument("program")
@click.argument("external_id")
@click.option("--yes", is_flag=True, help="Do not ask for the external id once more.")
@json_option
@with_desk
def void(desk: Desk, program: str, external_id: str, yes: bool, as_json: bool) -> None:
    """Make a member's passes invalid for good: phones show it as soon as they have heard of it."""
    from jobs.passes import issue as verbs
    from jobs.passes import place

    roles.check(desk.settings.role, "passes.void")
    found = own(desk, program)
    valid = [one for one in held(desk, found, external_id) if one["status"] != "invalidated"]
    if valid and not yes:
        typed(
            f"{desk.settings.mode}: void {len(valid)} passes of {inert(external_id)} for good: "
            "type its external id",
            external_id,
            "that is not the external id: nothing was changed",
        )
    ids = verbs.void(desk.database, found, external_id, actor=desk.actor)
    placed = place.place(desk.database, desk.settings, found.id)
    if as_json:
        print_json({"program": found.id, "external_id": external_id, "voided": len(ids)})
    else:
        click.echo(f"{desk.settings.mode}: {len(ids)} passes of {inert(external_id)} are void now")
    if placed.left:
        raise Refused(f"Google has not taken the change ({placed.why}): run the command again")


for command in (issue, show, events, list_):
    passes.add_command(command)
