"""A blast in words: its plan, its state, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence

import click

from console import words
from console.cli.output import print_facts, print_json
from console.desk import Desk
from console.plain import inert, inert_lines
from jobs.blasts import Plan
from jobs.follow import Look
from store import ledger
from store.deliveries import Failure
from store.errors import Refused
from store.ledger import Blast, Tally
from store.times import rfc3339


def tell_plan(desk: Desk, program: str, planned: Plan, file: str) -> None:
    """What was frozen, what phones will do, and the command that sends it."""
    blast, tally = planned.blast, planned.tally
    pending = tally.states["pending"]
    facts: dict[str, object] = {
        "blast": f"{blast.id}, {desk.settings.mode}",
        "program": f"{program} ({blast.program_id})",
        "audience": blast.audience,
        "text": blast.text,
    }
    if file:
        facts["file"] = file
    facts["passes"] = (
        f"{tally.planned:,} planned: {pending:,} to be messaged, {tally.states['skipped']:,} skipped"
    )
    print_facts(facts)
    for verdict, count in tally.verdicts.items():
        if count:
            click.echo(f"  {count:>9,} {verdict}: {words.VERDICTS[verdict]}")
    if tally.skipped_by_reason:
        click.echo("skipped:")
        _tell_reasons(tally.skipped_by_reason)
    print_facts({"takes": f"about {words.duration(planned.eta_seconds)}", "hash": blast.plan_hash})
    if pending:
        click.echo(f"\nNothing was sent. To send it:\n  passbell blasts launch {blast.id} --expect {pending}")
    else:
        click.echo("\nNothing was sent, and nobody would be messaged: all are skipped.")


def _tell_reasons(reasons: dict[str, int]) -> None:
    for reason, count in sorted(reasons.items(), key=lambda pair: -pair[1]):
        click.echo(f"  {count:>9,} {inert(reason)}: {inert(words.reason(reason))}")


def tell_blast(found: Blast, tally: Tally, failures: Sequence[Failure]) -> None:
    """All of a blast."""
    print_facts(
        {
            "blast": f"{found.id}, {found.name} ({found.account.upper()})",
            "state": found.state + (f": {found.hold_reason}" if found.hold_reason else ""),
            "program": found.program_id,
            "audience": found.audience,
            "text": found.text,
            "own rate": f"{found.rate_per_second:g} requests a second" if found.rate_per_second else None,
            "planned at": rfc3339(found.planned_at),
            "started at": rfc3339(found.started_at),
            "finished at": rfc3339(found.finished_at),
            "counts": f"{tally.planned:,} planned = {words.figures(tally.states)}",
        }
    )
    if tally.skipped_by_reason:
        click.echo("skipped:")
        _tell_reasons(tally.skipped_by_reason)
    if failures:
        click.echo("failed:")
        for one in failures:
            click.echo(
                f"  {one.count:>9,} {inert(one.reason)}: {inert(one.detail or words.reason(one.reason), 200)}"
            )


def tell_step(desk: Desk, blast_id: int, as_json: bool, *, retried: int | None = None) -> None:
    """A blast after a verb: in one line, or as JSON."""
    with desk.database.read() as connection:
        blast: Blast = ledger.get(connection, blast_id)
        tally = ledger.tally(connection, blast_id)
    if as_json:
        print_json(ledger.as_json(blast, tally) | ({} if retried is None else {"retried": retried}))
        return
    again = f" {retried:,} are tried again;" if retried is not None else ""
    limit = f" at most {blast.rate_per_second:g} requests a second;" if blast.rate_per_second else ""
    click.echo(
        inert_lines(
            f"{desk.settings.mode}: blast {blast.id} is {blast.state};{again}{limit} "
            f"{tally.planned:,} planned = {words.figures(tally.states)}"
        )
    )


def tail(look: Look) -> str:
    """What stands behind the bar."""
    if not look.rate:
        return words.figures({"failed": look.tally.states["failed"]}) if look.tally.states["failed"] else ""
    left = words.duration(look.tally.open / look.rate)
    return f"{look.tally.states['failed']:,} failed, {look.rate:,.0f}/s, {left} left"


def exit_code(look: Look) -> int:
    """0: all went well; 1: something failed or it was cancelled; 3: it stands still."""
    if look.blast.state in ("paused", "held"):
        return Refused.exit_code
    return 0 if look.blast.state == "finished" and not look.tally.states["failed"] else 1
