"""A blast in words: its plan, its state, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from console import words
from console.cli.output import note, print_facts, print_json
from console.desk import Desk
from console.plain import inert, inert_lines
from jobs import moments, readiness
from jobs.follow import Look
from jobs.plans import Plan
from store import ledger, programs
from store.arrivals import STEPS, Funnel
from store.deliveries import Failure
from store.differences import Difference
from store.errors import Refused
from store.ledger import Blast, Tally
from store.programs import Program
from store.times import now, rfc3339


def moment(text: str | None, time_zone: str | None) -> datetime | None:
    """What `--at` means in a program's time zone; says so where none is known. Raises UsageError."""
    if text is None:
        return None
    if said := moments.assumed(time_zone):
        note(said)
    return moments.read(text, time_zone, at=now())


def say_when(blast_id: int, pending: int) -> str:
    """What can be done with a blast that missed its time."""
    launch = f"passbell blasts launch {blast_id} --expect {pending}"
    cancel = f"passbell blasts cancel {blast_id}"
    return f"send it with `{launch} --now`, give it another time with --at, or end it with `{cancel}`"


def tell_plan(desk: Desk, program: Program, planned: Plan, file: str) -> None:
    """What was frozen, what phones will do, and the command that sends it."""
    blast, tally = planned.blast, planned.tally
    pending = tally.states["pending"]
    facts: dict[str, object] = {
        "blast": f"{blast.id}, {desk.settings.mode}",
        "program": f"{program.name} ({program.id})",
        "audience": blast.audience,
        "purpose": words.purpose(blast),
        "text": blast.text,
    }
    if file:
        facts["file"] = file
    if blast.send_at is not None:
        facts["to start"] = moments.in_words(blast.send_at, program.time_zone)
    if blast.urgent:
        facts["urgent"] = True
    facts["passes"] = (
        f"{tally.planned:,} planned: {pending:,} to be messaged, {tally.states['skipped']:,} skipped"
    )
    print_facts(facts)
    for verdict, count in tally.verdicts.items():
        if count:
            click.echo(f"  {count:>9,} {verdict}: {words.VERDICTS[verdict]}")
    _tell_turned_away(tally)
    if planned.difference is not None:
        tell_difference(planned.difference)
    print_facts({"takes": f"about {words.duration(planned.eta_seconds)}", "hash": blast.plan_hash})
    for one in readiness.blockers(desk.database, desk.settings, planned):
        note(inert(one.sentence, 400))
    if pending:
        does = "send it" if blast.send_at is None else "have it sent then"
        click.echo(f"\nNothing was sent. To {does}:\n  passbell blasts launch {blast.id} --expect {pending}")
    else:
        click.echo("\nNothing was sent, and nobody would be messaged: all are skipped.")


def plan_as_json(desk: Desk, planned: Plan) -> dict[str, Any]:
    """The plan, and what stands in the way of its launch."""
    found = readiness.blockers(desk.database, desk.settings, planned)
    return planned.as_json() | {"blockers": [one.as_json() for one in found]}


def _tell_turned_away(tally: Tally) -> None:
    if tally.deferred_by_reason:
        click.echo("put off, and asked again at their time:")
        _tell_reasons(tally.deferred_by_reason)
    if tally.skipped_by_reason:
        click.echo("skipped:")
        _tell_reasons(tally.skipped_by_reason)


def tell_difference(difference: Difference) -> None:
    """What is other than in the plan before."""
    click.echo(f"against blast {difference.previous}, planned {rfc3339(difference.planned_at)}:")
    lines = words.difference(difference)
    for count, told in lines:
        click.echo(f"  {count:>9,} {inert(told, 200)}")
    if not lines:
        click.echo("  the same passes, and the same answers")


def _tell_reasons(reasons: dict[str, int]) -> None:
    for reason, count in sorted(reasons.items(), key=lambda pair: -pair[1]):
        click.echo(f"  {count:>9,} {inert(reason)}: {inert(words.reason(reason))}")


def tell_blast(found: Blast, tally: Tally, failures: Sequence[Failure], time_zone: str | None) -> None:
    """All of a blast."""
    facts: dict[str, object] = {
        "blast": f"{found.id}, {found.name} ({found.account.upper()})",
        "state": _state(found),
        "program": found.program_id,
        "audience": found.audience,
        "purpose": words.purpose(found),
        "text": found.text,
        "urgent": found.urgent,
        "own limits": ", ".join(words.limits(found)),
        "planned at": rfc3339(found.planned_at),
        "to start": moments.in_words(found.send_at, time_zone) if found.send_at else None,
        "started at": rfc3339(found.started_at),
        "finished at": rfc3339(found.finished_at),
        "counts": f"{tally.planned:,} planned = {words.figures(tally.states)}",
    }
    print_facts(facts)
    if found.state == "missed":
        click.echo(f"Nothing of it was sent: {say_when(found.id, tally.states['pending'])}.")
    _tell_turned_away(tally)
    if failures:
        click.echo("failed:")
        for one in failures:
            click.echo(
                f"  {one.count:>9,} {inert(one.reason)}: {inert(one.detail or words.reason(one.reason), 200)}"
            )


def tell_funnel(funnel: Funnel) -> None:
    """How far the messages came, on channels where more than the provider's yes can be known."""
    for channel in funnel.planned:
        if len(STEPS[channel]) > 1:
            click.echo(f"{channel}: {words.funnel(funnel, channel)}")


def tell_step(desk: Desk, blast_id: int, as_json: bool, *, retried: int | None = None) -> Blast:
    """A blast after a verb: in one line, or as JSON."""
    with desk.database.read() as connection:
        blast: Blast = ledger.get(connection, blast_id)
        tally = ledger.tally(connection, blast_id)
        zone = programs.get(connection, blast.program_id, blast.account).time_zone
    if as_json:
        print_json(ledger.as_json(blast, tally) | ({} if retried is None else {"retried": retried}))
        return blast
    told = [f"blast {blast.id} is {_state(blast)}"]
    if blast.state in ("scheduled", "missed") and blast.send_at is not None:
        told.append(f"to start at {moments.in_words(blast.send_at, zone)}")
    if retried is not None:
        told.append(f"{retried:,} are tried again")
    if blast.urgent:
        told.append("urgent")
    told += [*words.limits(blast), f"{tally.planned:,} planned = {words.figures(tally.states)}"]
    click.echo(inert_lines(f"{desk.settings.mode}: {'; '.join(told)}"))
    return blast


def _state(blast: Blast) -> str:
    """A blast's state, with a hold's reason and an open undo window."""
    told = [blast.state + (f": {blast.hold_reason}" if blast.hold_reason else "")]
    if left := blast.undo_left(now()):
        told.append(f"first message leaves in {words.duration(left)}")
        told.append(f"`passbell blasts cancel {blast.id}` stops it")
    return ", ".join(told)


def tail(look: Look) -> str:
    """What stands behind the bar."""
    if look.waits:
        what = "starts in" if look.blast.state == "scheduled" else "first message in"
        return f"{what} {words.duration(look.waits)}"
    if put_off := sum(look.tally.deferred_by_reason.values()):
        return f"{put_off:,} wait: {', '.join(words.reason(word) for word in look.tally.deferred_by_reason)}"
    if not look.rate:
        return words.figures({"failed": look.tally.states["failed"]}) if look.tally.states["failed"] else ""
    left = words.duration(look.tally.open / look.rate)
    return f"{look.tally.states['failed']:,} failed, {look.rate:,.0f}/s, {left} left"


def exit_code(look: Look) -> int:
    """0: all went well; 1: something failed or it was cancelled; 3: it stands still."""
    if look.blast.state in ("paused", "held", "missed"):
        return Refused.exit_code
    return 0 if look.blast.state == "finished" and not look.tally.states["failed"] else 1
