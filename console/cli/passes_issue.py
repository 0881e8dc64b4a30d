"""`passbell passes issue`: give members of our own program their passes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.asked import confirm
from console.cli.choice import choose
from console.cli.options import json_option, with_desk
from console.cli.output import LARGEST, Progress, note, print_facts, print_json
from console.cli.passes_shown import of_one, own
from console.desk import Desk
from console.plain import inert
from store import roles
from store.errors import Refused, UsageError

if TYPE_CHECKING:
    from jobs.passes.issue import Issuers, Report
    from jobs.passes.place import Placed
    from store.audiences import Audience, Selection
    from store.programs import Program


@click.command(
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
@click.option("--qr", type=click.Choice(["svg", "png"]), help="With --out: QR codes of the links, too.")
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
    from jobs.passes.issue import issuers

    roles.check(desk.settings.role, "passes.issue")
    given = {"name": name, "email": email, "points": points, "tier_id": tier_id}
    values = {column: value for column, value in given.items() if value is not None}
    if values and external_id is None:
        raise UsageError("--name, --email, --points and --tier go with --external-id only")
    if qr is not None and out is None:
        raise UsageError("--qr goes with --out only; `passbell passes link` makes one code")
    found = own(desk, program)
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
    placed = _place(desk, found, told)
    if out is not None:
        told["out"] = _write(desk, found, chosen, out, qr)
    if external_id is not None:
        told |= of_one(desk, found, external_id)
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
            question = f"{desk.settings.mode}: issue passes to {count:,} members ({in_words(chosen)})?"
            confirm(question, "nothing was issued")
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


def _place(desk: Desk, program: Program, told: dict[str, Any]) -> Placed:
    from jobs.passes import place

    with Progress() as bar:
        placed = place.place(
            desk.database,
            desk.settings,
            program.id,
            progress=lambda done, total: bar.show("objects at Google", done, total),
        )
    told["google"] = placed.as_json()
    return placed


def _write(
    desk: Desk, program: Program, chosen: Audience | Selection, out: Path, qr: str | None
) -> dict[str, Any]:
    from jobs.passes import handout

    with Progress() as bar:
        return handout.write(
            desk.database,
            desk.settings,
            program.id,
            chosen,
            out,
            qr=qr,
            progress=lambda done, total: bar.show(str(out), done, total),
        ).as_json()


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
