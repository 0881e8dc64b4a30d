"""The verbs of a blast: plan, launch, pause, resume, cancel, retry, rate.

Each is one transaction with its audit entry. A key on a screen and a command call the same verb.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobs.engine import gate
from store import audiences, audit, ledger, plans, predicates, programs, texts
from store.audiences import Audience, Selection, in_words
from store.database import Database
from store.errors import Refused, UsageError
from store.ledger import Blast, Tally
from store.schema import blasts, deliveries, members, passes
from store.settings import Settings
from store.times import now

REQUESTS_PER_MESSAGE = 2
"""PassKit: the pass is read and then written, since a write replaces its free data whole."""
CHUNK = 5_000

Ring = Callable[[int], None]
"""Wakes a worker for a blast. It may fail silently: workers also find due blasts by themselves."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A frozen blast: who, what, and what phones will do."""

    blast: Blast
    tally: Tally
    eta_seconds: float

    def as_json(self) -> dict[str, Any]:
        """The plan as `blasts plan --json` prints it."""
        return {
            "id": self.blast.id,
            "program": self.blast.program_id,
            "name": self.blast.name,
            "text": self.blast.text,
            "hash": self.blast.plan_hash,
            "counts": self.tally.counts,
            "verdicts": self.tally.verdicts,
            "skipped_by_reason": self.tally.skipped_by_reason,
            "eta_seconds": self.eta_seconds,
            "account": self.blast.account,
        }


def plan(
    database: Database,
    settings: Settings,
    *,
    program: str,
    chosen: Audience | Selection,
    text: str,
    name: str | None = None,
    actor: str,
) -> Plan:
    """Freeze audience and text: one delivery for each pass, pending or skipped with a reason.

    Raises UsageError for a text, predicate or program that is wrong and Refused where nobody is
    meant or the program was read for another message field. Nothing is written then.
    """
    at = now()
    with database.write() as connection:
        found = programs.get(connection, program, settings.account)
        text = checked(connection, found.id, text)
        # Boarding records come from files: PassKit lists none, so no sync reads their texts.
        if found.kind != "flight" and found.message_field != settings.passkit.message_field:
            raise Refused(
                f"{found.name} was not yet synced for the message field {settings.passkit.message_field}: "
                "run `passbell sync` first"
            )
        personal = texts.has_braces(text)
        who = audiences.condition(connection, found.id, chosen, now=at)
        blast_id = plans.create(
            connection,
            account=settings.account,
            program_id=found.id,
            name=(name or "").strip() or " ".join(text.split())[:40],
            text=text,
            message_key=settings.message_key,
            audience=in_words(chosen),
            at=at,
        )
        plans.freeze(connection, blast_id, _asked(found.id, who, None if personal else text), at=at)
        if personal:
            _render(connection, blast_id, text)
        tally = ledger.tally(connection, blast_id)
        if not tally.planned:
            raise Refused(
                f"nobody in {found.name} is in this audience ({in_words(chosen)}): nothing was planned"
            )
        blast = plans.seal(connection, blast_id)
        audit.append(
            connection,
            actor=actor,
            act="blast.plan",
            subject=str(blast_id),
            details={"program": found.id, "text": text, "hash": blast.plan_hash, "counts": tally.counts},
            at=at,
        )
    return Plan(blast, tally, eta_seconds(tally.open, settings, blast))


def checked(connection: sa.Connection, program_id: str, text: str) -> str:
    """The text as it would be planned. Raises UsageError for one that cannot be sent in this program."""
    text = texts.check(text)
    if texts.has_braces(text):
        texts.check_fields(text, [*texts.BUILT_IN, *predicates.fields_of(connection, program_id)])
    return text


def eta_seconds(open_deliveries: int, settings: Settings, blast: Blast | None = None) -> float:
    """Seconds that so many deliveries take at the account's rate, or the blast's own where it is lower."""
    rate = settings.passkit.rate_per_second
    if blast is not None and blast.rate_per_second is not None:
        rate = min(rate, blast.rate_per_second)
    return round(open_deliveries * REQUESTS_PER_MESSAGE / rate, 1)


def launch(
    database: Database, settings: Settings, blast_id: int, *, expect: int, actor: str, ring: Ring
) -> Blast:
    """Let a planned blast run. Launching twice is one launch.

    `expect` is the count that the operator confirmed: the passes to be messaged, or all planned ones.
    Raises Refused where it differs from the frozen count, nothing would be sent, or the blast belongs
    to the other account.
    """
    at = now()
    with database.write() as connection:
        blast = ledger.get(connection, blast_id, lock_row=True)
        _same_account(blast, settings)
        counts = ledger.tally(connection, blast_id).counts
        if blast.state not in ("planned", "scheduled", "missed"):
            if blast.state == "cancelled":
                raise Refused(f"blast {blast_id} was cancelled: plan a new one")
            return blast
        if expect not in (counts["pending"], counts["planned"]):
            raise Refused(
                f"blast {blast_id} would message {counts['pending']} of {counts['planned']} passes, "
                f"and {expect} were confirmed: look at the plan again"
            )
        if not counts["pending"]:
            raise Refused(
                f"blast {blast_id} would message nobody: all {counts['planned']} passes are skipped"
            )
        blast = ledger.step(connection, blast_id, "running", at=at)
        _record(connection, actor, "launch", blast, {"expect": expect, "counts": counts}, at)
    ring(blast_id)
    return blast


def pause(database: Database, settings: Settings, blast_id: int, *, actor: str) -> Blast:
    """Stop sending; what is in flight is still settled."""
    return _step(database, settings, blast_id, "paused", actor=actor)


def resume(database: Database, settings: Settings, blast_id: int, *, actor: str, ring: Ring) -> Blast:
    """Go on after a pause or a hold."""
    with database.read() as connection:
        state = ledger.get(connection, blast_id).state
    if state not in ("paused", "held", "running"):
        raise Refused(f"blast {blast_id} is {state}: only a paused or held blast can be resumed")
    blast = _step(database, settings, blast_id, "running", actor=actor)
    ring(blast_id)
    return blast


def cancel(database: Database, settings: Settings, blast_id: int, *, actor: str) -> Blast:
    """End a blast for good: what is pending will never be sent; what was accepted stays."""
    return _step(database, settings, blast_id, "cancelled", actor=actor)


def retry(
    database: Database,
    settings: Settings,
    blast_id: int,
    *,
    batch_id: int | None = None,
    reason: str | None = None,
    actor: str,
    ring: Ring,
) -> int:
    """Try failed deliveries again, all or those of one batch or reason. Returns how many.

    Raises Refused where none has failed so.
    """
    at = now()
    with database.write() as connection:
        blast = ledger.get(connection, blast_id, lock_row=True)
        _same_account(blast, settings)
        count = ledger.retry(connection, blast_id, batch_id=batch_id, reason=reason, at=at)
        if not count:
            which = f" in batch {batch_id}" if batch_id is not None else ""
            which += f" with reason {reason}" if reason is not None else ""
            raise Refused(f"blast {blast_id} has no failed deliveries{which}: nothing to retry")
        _record(connection, actor, "retry", blast, {"count": count, "batch": batch_id, "reason": reason}, at)
    ring(blast_id)
    return count


def set_rate(
    database: Database, settings: Settings, blast_id: int, *, per_second: float | None, actor: str
) -> Blast:
    """Give a blast a limit of its own (requests in any second), under the account's; None takes it away."""
    if per_second is not None and not 0 < per_second <= 10_000:
        raise UsageError(f"a rate lies above 0 and at most at 10000 requests a second, not {per_second:g}")
    at = now()
    with database.write() as connection:
        blast = ledger.get(connection, blast_id, lock_row=True)
        _same_account(blast, settings)
        if not ledger.STEPS[blast.state] or blast.state == "finished":
            raise Refused(f"blast {blast_id} is {blast.state}: its rate no longer matters")
        connection.execute(blasts.update().where(blasts.c.id == blast_id).values(rate_per_second=per_second))
        _record(connection, actor, "rate", blast, {"per_second": per_second}, at)
        return ledger.get(connection, blast_id)


def _step(database: Database, settings: Settings, blast_id: int, to: str, *, actor: str) -> Blast:
    at = now()
    with database.write() as connection:
        before = ledger.get(connection, blast_id, lock_row=True)
        _same_account(before, settings)
        if before.state == to:
            return before
        blast = ledger.step(connection, blast_id, to, at=at)
        _record(connection, actor, to, blast, {"from": before.state}, at)
    return blast


def _same_account(blast: Blast, settings: Settings) -> None:
    if blast.account != settings.account:
        raise Refused(
            f"blast {blast.id} was planned in {blast.account.upper()}, and this is {settings.mode}: "
            "it can only be touched with the settings it was planned with"
        )


def _record(
    connection: sa.Connection, actor: str, act: str, blast: Blast, details: dict[str, Any], at: datetime
) -> None:
    audit.append(connection, actor=actor, act=f"blast.{act}", subject=str(blast.id), details=details, at=at)


def _asked(program_id: str, who: sa.ColumnElement[bool], text: str | None) -> sa.Select[Any]:
    """Each pass of the audience with the gate's answer: pass_id, reason (NULL: may be messaged), verdict."""
    why_not = gate.reason(text)
    columns = (
        passes.c.id.label("pass_id"),
        why_not.label("reason"),
        gate.verdict(why_not).label("verdict"),
    )
    return gate.ask(program_id, who, *columns).order_by(passes.c.id)


def _render(connection: sa.Connection, blast_id: int, text: str) -> None:
    """Render the text for each pending delivery; what cannot be rendered is skipped with its reason."""
    after = 0
    query = (
        sa.select(
            deliveries.c.id,
            passes.c.shown_text,
            members.c.name,
            members.c.external_id,
            members.c.tier_id,
            members.c.points,
            members.c.attributes,
        )
        .join(passes, passes.c.id == deliveries.c.pass_id)
        .join(members, members.c.id == passes.c.member_id)
        .where(deliveries.c.blast_id == blast_id, deliveries.c.state == "pending")
        .order_by(deliveries.c.id)
        .limit(CHUNK)
    )
    while rows := connection.execute(query.where(deliveries.c.id > after)).mappings().all():
        after = rows[-1]["id"]
        rendered = [(row, *gate.own_text(text, dict(row))) for row in rows]
        own_texts = {row["id"]: own for row, own, why_not in rendered if why_not is None}
        skipped = {row["id"]: why_not for row, _, why_not in rendered if why_not is not None}
        plans.write_texts(connection, own_texts, skipped)
