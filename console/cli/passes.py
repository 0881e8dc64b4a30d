"""`passbell passes`: passes of our own programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.choice import choose
from console.cli.options import json_option, with_desk
from console.cli.output import LARGEST, Progress, note, print_facts, print_json, print_table
from console.desk import Desk
from console.plain import inert
from store import roles
from store.errors import Refused, UsageError

if TYPE_CHECKING:
    from jobs.passes.issue import Issuers, Report
    from jobs.passes.place import Placed
    from store.audiences import Audience, Selection
    from store.programs import Program

QR = click.Choice(["svg", "png"])


@click.group()
def passes() -> None:
    """Passes that passbell issues itself: issue, rehearse, show, link, list, void, events."""


@passes.command(
    epilog="""\b
Examples:
  passbell passes issue club --external-id KL-7 --name "Ada Berger" --points 120
  passbell passes issue club --all --yes
  passbell passes issue club --file members.csv --out folder --qr png --yes""",
)
@click.argument("program")
@click.option("--external-id", metavar="ID", help="One member, who is enrolled if nobody knows the id.")
@click.option("--name", help="With --external-id: its name.")
@click.option("--email", help="With --external-id: its e-mail address.")
@click.option("--points", type=float, help="With --external-id: its points.")
@click.option("--tier", "tier_id", help="With --external-id: its tier.")
@click.option("--all", "everybody", is_flag=True, help="All active members.")
@click.option("--where", metavar="EXPR", help='Members that fit, such as "points > 500".')
@click.option("--audience", metavar="NAME", help="A saved audience.")
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Members in a file: they are enrolled or changed as it says, as by `members import`, first.",
)
@click.option(
    "--wallet",
    type=click.Choice(["apple", "google", "both"]),
    help="Passes of one kind only.  [default: what is set up]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write .pkpass files and index.csv with all links there, also of passes issued before.",
)
@click.option("--qr", type=QR, help="With --out: QR codes of the links, too.")
@click.option("--limit", type=click.IntRange(1, LARGEST), metavar="N", help="At most N members this time.")
@click.option("--yes", is_flag=True, help="Do not ask before an audience gets its passes.")
@json_option
@with_desk
def issue(
    desk: Desk,
    program: str,
    external_id: str | None,
    everybody: bool,
    where: str | None,
    audience: str | None,
    file: Path | None,
    wallet: str | None,
    out: Path | None,
    qr: str | None,
    limit: int | None,
    yes: bool,
    as_json: bool,
    name: str | None,
    email: str | None,
    points: float | None,
    tier_id: str | None,
) -> None:
    """Give members of our own program their passes. Who has some already gets no others.

    Stop it when you like: what is issued stays, and the next run goes on. Google gets its objects last.
    """
    from jobs.passes import handout, place
    from jobs.passes.issue import issuers

    roles.check(desk.settings.role, "passes.issue")
    given = {"name": name, "email": email, "points": points, "tier_id": tier_id}
    values = {column: value for column, value in given.items() if value is not None}
    if values and external_id is None:
        raise UsageError("--name, --email, --points and --tier go with --external-id only")
    if qr is not None and out is None:
        raise UsageError("--qr goes with --out only; `passbell passes link` makes one code")
    found = _own(desk, program)
    by = issuers(desk.settings, desk.database, wallet)
    told: dict[str, Any] = {"mode": desk.settings.mode}
    chosen: Audience | Selection
    if external_id is not None:
        if everybody or where or audience or file:
            raise UsageError(
                "--external-id means one member: leave --all, --where, --audience and --file out"
            )
        report, chosen = _issue_to(desk, found, external_id, values, by)
    else:
        report, chosen = _issue(desk, found, by, told, everybody, where, audience, file, limit, yes)
    told |= report.as_json()
    with Progress() as bar:
        placed = place.place(
            desk.database,
            desk.settings,
            found.id,
            progress=lambda done, total: bar.show("objects at Google", done, total),
        )
        told["google"] = placed.as_json()
        if out is not None:
            handed = handout.write(
                desk.database,
                desk.settings,
                found.id,
                chosen,
                out,
                qr=qr,
                progress=lambda done, total: bar.show(str(out), done, total),
            )
            told["out"] = handed.as_json()
    if external_id is not None:
        told |= _of_one(desk, found, external_id)
    if as_json:
        print_json(told)
    else:
        _say(desk, found, report, placed, told)
    if placed.left:
        raise Refused(
            f"Google has not taken {placed.left:,} of its objects ({placed.why}): run the command again"
        )


def _issue_to(
    desk: Desk, program: Program, external_id: str, values: dict[str, Any], by: Issuers
) -> tuple[Report, Selection]:
    from jobs.passes import issue as verbs
    from store.audiences import Selection

    report = verbs.issue_to(
        desk.database,
        program,
        external_id,
        values,
        by,
        secret=desk.settings.consent_secret,
        actor=desk.actor,
    )
    with desk.database.read() as connection:
        from store import members

        id_ = members.get(connection, program.id, external_id).id
    return report, Selection("file", external_id, (id_,))


def _issue(
    desk: Desk,
    program: Program,
    by: Issuers,
    told: dict[str, Any],
    everybody: bool,
    where: str | None,
    audience: str | None,
    file: Path | None,
    limit: int | None,
    yes: bool,
) -> tuple[Report, Audience | Selection]:
    from jobs.passes import issue as verbs
    from store.audiences import in_words

    if file is not None and not (everybody or where or audience):
        told["import"] = _import(desk, program, file)
    chosen = choose(
        desk, program.id, audience=audience, everybody=everybody, where=where, file=file, rejects=None
    ).who
    if not yes:
        count = verbs.waiting(desk.database, program, chosen, by)
        if count:
            _confirm(f"{desk.settings.mode}: issue passes to {count:,} members ({in_words(chosen)})?")
    with Progress() as bar:
        report = verbs.issue(
            desk.database,
            program,
            chosen,
            by,
            actor=desk.actor,
            limit=limit,
            progress=lambda done, total: bar.show(program.name, done, total),
        )
    return report, chosen


def _import(desk: Desk, program: Program, file: Path) -> dict[str, Any]:
    from jobs.intake.imports import import_members

    with Progress() as bar:
        report = import_members(
            desk.database,
            program.id,
            file,
            account=desk.settings.account,
            home=desk.settings.home,
            dry_run=False,
            actor=desk.actor,
            secret=desk.settings.consent_secret,
            progress=lambda doing, done, total: bar.show(file.name, done, total, doing),
        )
    for remark in report.notes:
        note(remark)
    return {"id": report.import_id, **report.counts()}


def _say(desk: Desk, program: Program, report: Report, placed: Placed, told: dict[str, Any]) -> None:
    click.echo(f"{desk.settings.mode}: {inert(program.name)}")
    facts: dict[str, object] = {"members": report.members}
    facts |= {f"new passes, {channel}": count for channel, count in told["issued"].items()}
    if placed.placed:
        facts["objects at Google"] = placed.placed
    facts |= {f"without {name}, so no pass": count for name, count in report.lacking.items()}
    if "out" in told:
        facts["written"] = f"{told['out']['passes']:,} passes into {told['out']['folder']}"
    facts |= {name.replace("_", " "): told[name] for name in ("download_link", "save_link") if told.get(name)}
    print_facts(facts)
    if not report.new and not report.lacking:
        note("nothing is new: all of them have their passes")


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

    found = _own(desk, program)
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


@passes.command(epilog="\b\nExample:\n  passbell passes show club KL-7 --json")
@click.argument("program")
@click.argument("external_id")
@json_option
@with_desk
def show(desk: Desk, program: str, external_id: str, as_json: bool) -> None:
    """A member's passes: their state, who has them, and what happened to them last."""
    from jobs.passes import shown

    found = _own(desk, program)
    told = _of_one(desk, found, external_id)
    with desk.database.read() as connection:
        told["events"] = shown.events(connection, found.id, external_id, shown.EVENTS)
    if as_json:
        print_json(told)
        return
    click.echo(f"{desk.settings.mode}: {inert(found.name)}, {inert(external_id)}")
    if not told["passes"]:
        note(f"no pass was issued to {external_id}: `passbell passes issue` does it")
        return
    for one in told["passes"]:
        click.echo(f"pass for {one['channel']}:")
        print_facts({name.replace("_", " "): value for name, value in one.items() if name != "channel"})
    _tell_events(told["events"])


@passes.command(epilog="\b\nExample:\n  passbell passes events club KL-7 --json | jq -r .kind")
@click.argument("program")
@click.argument("external_id")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, LARGEST), help="At most so many."
)
@json_option
@with_desk
def events(desk: Desk, program: str, external_id: str, limit: int, as_json: bool) -> None:
    """What happened to a member's passes, the last first: created, installed, removed, redeemed ..."""
    from jobs.passes import shown

    found = _own(desk, program)
    with desk.database.read() as connection:
        listed = shown.events(connection, found.id, external_id, limit)
    if as_json:
        for one in listed:
            print_json(one)
        return
    _tell_events(listed)


def _tell_events(listed: list[dict[str, Any]]) -> None:
    rows = [
        (
            one["at"][:19].replace("T", " "),
            one["channel"],
            one["kind"],
            one["source"],
            _details(one["details"]),
        )
        for one in listed
    ]
    print_table(("at", "pass", "event", "from", "details"), rows)


def _details(details: dict[str, Any]) -> str:
    told = ((name, value if isinstance(value, str) else json.dumps(value)) for name, value in details.items())
    return ", ".join(f"{name}: {value}" for name, value in told)


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
    found = _own(desk, program)
    _held(desk, found, external_id)
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


@passes.command("list", epilog="\b\nExample:\n  passbell passes list club --json | jq -r .serial")
@click.argument("program")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, LARGEST), help="At most so many."
)
@json_option
@with_desk
def list_(desk: Desk, program: str, limit: int, as_json: bool) -> None:
    """The passes of a program, in the order they were issued."""
    from jobs.passes import shown

    found = _own(desk, program)
    with desk.database.read() as connection:
        total = shown.count(connection, found.id)
        listed = list(shown.page(connection, found.id, limit))
    if as_json:
        for one in listed:
            print_json({name: value for name, value in one.items() if name != "id"})
    else:
        click.echo(f"{desk.settings.mode}: {inert(found.name)}")
        columns = ("external_id", "channel", "serial", "status", "devices", "tag", "changed_at")
        print_table(
            tuple(name.replace("_", " ") for name in columns),
            [[one[name] for name in columns] for one in listed],
            right=("devices", "tag"),
        )
    if total > len(listed):
        note(f"{len(listed):,} of {total:,} passes shown: --limit {total} shows all")


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
    found = _own(desk, program)
    held = [one for one in _held(desk, found, external_id) if one["status"] != "invalidated"]
    if held and not yes:
        _typed(f"{desk.settings.mode}: void {len(held)} passes of {inert(external_id)} for good", external_id)
    ids = verbs.void(desk.database, found, external_id, actor=desk.actor)
    placed = place.place(desk.database, desk.settings, found.id)
    if as_json:
        print_json({"program": found.id, "external_id": external_id, "voided": len(ids)})
    else:
        click.echo(f"{desk.settings.mode}: {len(ids)} passes of {inert(external_id)} are void now")
    if placed.left:
        raise Refused(f"Google has not taken the change ({placed.why}): run the command again")


def _own(desk: Desk, program: str) -> Program:
    from jobs.passes.issue import own_program

    with desk.database.read() as connection:
        return own_program(connection, program, desk.settings.account)


def _of_one(desk: Desk, program: Program, external_id: str) -> dict[str, Any]:
    """A member's passes with the links to them, which a viewer does not get. Raises UsageError where there is
    no such member."""
    from jobs.passes import handout

    passes = _held(desk, program, external_id)
    links = handout.Links()
    if passes and not roles.why_not(desk.settings.role, roles.needs("passes.link")):
        links = handout.links_of(desk.database, desk.settings, program.id, external_id)
    return {"program": program.id, "external_id": external_id, "passes": passes, **links.as_json()}


def _held(desk: Desk, program: Program, external_id: str) -> list[dict[str, Any]]:
    from jobs.passes import shown

    with desk.database.read() as connection:
        held = shown.of_member(connection, program.id, external_id)
    return [{name: one[name] for name in one if name not in ("id", "external_id")} for one in held]


def _confirm(question: str) -> None:
    _needs_terminal()
    if not click.confirm(question, err=True):
        raise Refused("nothing was issued")


def _typed(what: str, expected: str) -> None:
    _needs_terminal()
    typed = click.prompt(f"{what}: type its external id", default="", show_default=False, err=True)
    if typed.strip() != expected:
        raise Refused("that is not the external id: nothing was changed")


def _needs_terminal() -> None:
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: give --yes")
