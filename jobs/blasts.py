"""The verbs of a blast: plan, launch, pause, resume, cancel, retry, rate, concurrency, urgent.

Each is one transaction with its audit entry. A key on a screen and a command call the same verb.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from jobs import moments
from jobs.plans import same_account
from store import audit, ledger, rules, schedules
from store.database import Database
from store.errors import Refused, UsageError
from store.ledger import Blast
from store.schema import blasts
from store.settings import Settings
from store.times import now, rfc3339

MOST_REQUESTS = 10_000
"""The largest rate of a blast's own, in requests a second."""
MOST_IN_FLIGHT = 512
"""Deliveries in flight at once in one worker, at most: what the setting allows too."""
_SAY_WHEN = "launch it with --now, give it another time with --at, or cancel it"


class Outdated(Refused):
    """A plan that is too old, or was made by other rules; `why` says which, and not what to do."""

    def __init__(self, blast_id: int, why: str) -> None:
        super().__init__(f"{why}: plan it anew (`passbell blasts replan {blast_id}`) and look at the count")
        self.why = why


Ring = Callable[[int], None]
"""Wakes a worker for a blast. It may fail silently: workers also find due blasts by themselves."""


def launch(
    database: Database,
    settings: Settings,
    blast_id: int,
    *,
    expect: int,
    send_at: datetime | None = None,
    at_once: bool = False,
    urgent: bool = False,
    actor: str,
    ring: Ring,
) -> Blast:
    """Let a planned blast run, or give it the moment to start at. Launching twice is one launch.

    expect   the count that the operator confirmed: the passes to be messaged, or all planned ones
    send_at  the moment to start at; None: the one it was planned for, or else now
    at_once  now, whatever it was planned or scheduled for
    urgent   it goes before those that are not

    Its first message leaves `engine.undo_seconds` after a start that is asked for here. Raises Refused
    where the count differs from the frozen one, nothing would be sent, the blast belongs to the other
    account, or missed its time and neither `send_at` nor `at_once` says what to do; Outdated where the
    plan is too old or was made by other rules (`plan_again` makes it anew).
    """
    at = now()
    if send_at is not None:
        moments.check(send_at, at=at)
    with database.write() as connection:
        before = ledger.get(connection, blast_id, lock_row=True)
        same_account(before, settings)
        if before.state == "cancelled":
            raise Refused(f"blast {blast_id} was cancelled: plan a new one")
        if urgent and not before.urgent and before.state != "finished":
            _change(connection, blast_id, urgent=True)
            _record(connection, actor, "urgent", before, {"urgent": True}, at)
        if _is_launched(before, send_at, at_once):
            return ledger.get(connection, blast_id)
        check_plan(connection, settings, before, at=at)
        counts = _confirmed(connection, before, expect)
        send_at = None if at_once else send_at or before.send_at
        details = {"from": before.state, "expect": expect, "counts": counts}
        if send_at is None:
            undo = timedelta(seconds=settings.engine.undo_seconds)
            blast = schedules.start(connection, blast_id, at=at, sends_from=at + undo if undo else None)
            _record(connection, actor, "launch", blast, details, at)
        elif send_at <= at:
            told = rfc3339(send_at)
            raise Refused(f"blast {blast_id} was planned for {told}, which has passed: {_SAY_WHEN}")
        else:
            blast = schedules.schedule(connection, blast_id, send_at=send_at, at=at)
            details |= {"send_at": rfc3339(send_at), "before": rfc3339(before.send_at)}
            _record(connection, actor, "schedule", blast, details, at)
    if blast.state == "running":
        ring(blast_id)
    return blast


def _is_launched(blast: Blast, send_at: datetime | None, at_once: bool) -> bool:
    """Whether a launch has nothing to do. Raises Refused where what it asks for cannot be any more."""
    if blast.state not in ledger.MAY["launch"]:
        if send_at is not None:
            raise Refused(f"blast {blast.id} is {blast.state}: it was started, and another time does nothing")
        return True
    if blast.state == "missed" and send_at is None and not at_once:
        raise Refused(f"blast {blast.id} missed its time, {rfc3339(blast.send_at)}: {_SAY_WHEN}")
    return blast.state == "scheduled" and not at_once and send_at in (None, blast.send_at)


def check_plan(connection: sa.Connection, settings: Settings, blast: Blast, *, at: datetime) -> None:
    """Raise Outdated for a plan that is too old, or whose gate has other rules by now.

    What changed of single members needs no new plan: each is asked for again before its message leaves.
    """
    valid = timedelta(hours=settings.gate.plan_valid_hours)
    if at - blast.planned_at > valid:
        told = f"{rfc3339(blast.planned_at)}, more than {settings.gate.plan_valid_hours:g} hours ago"
        raise Outdated(blast.id, f"blast {blast.id} was planned {told}")
    rules_now = rules.effective(connection, settings.gate, blast.program_id).as_json()
    if changed := rules.differences(blast.rules or rules_now, rules_now):
        told = "; ".join(changed)
        raise Outdated(blast.id, f"the rules have changed since blast {blast.id} was planned ({told})")


def _confirmed(connection: sa.Connection, blast: Blast, expect: int) -> dict[str, int]:
    """The blast's counts. Raises Refused where they are not what the operator confirmed."""
    counts = ledger.tally(connection, blast.id).counts
    if expect not in (counts["pending"], counts["planned"]):
        raise Refused(
            f"blast {blast.id} would message {counts['pending']} of {counts['planned']} passes, "
            f"and {expect} were confirmed: look at the plan again"
        )
    if not counts["pending"]:
        raise Refused(f"blast {blast.id} would message nobody: all {counts['planned']} passes are skipped")
    return counts


def pause(database: Database, settings: Settings, blast_id: int, *, actor: str) -> Blast:
    """Stop sending; what is in flight is still settled."""
    return _step(database, settings, blast_id, "paused", actor=actor)


def resume(database: Database, settings: Settings, blast_id: int, *, actor: str, ring: Ring) -> Blast:
    """Go on after a pause or a hold. An undo window that was open still ends when it would have."""
    with database.read() as connection:
        state = ledger.get(connection, blast_id).state
    if state != "running" and state not in ledger.MAY["resume"]:
        raise Refused(f"blast {blast_id} is {state}: only a paused or held blast can be resumed")
    blast = _step(database, settings, blast_id, "running", actor=actor)
    ring(blast_id)
    return blast


def cancel(database: Database, settings: Settings, blast_id: int, *, actor: str) -> Blast:
    """End a blast for good: what is pending will never be sent; what was accepted stays.

    Within the undo window, and before a schedule's moment, that is all of it.
    """
    return _step(database, settings, blast_id, "cancelled", actor=actor)


def retry(
    database: Database,
    settings: Settings,
    blast_id: int,
    *,
    batch_id: int | None = None,
    reason: str | None = None,
    ids: Sequence[int] | None = None,
    expect: int | None = None,
    actor: str,
    ring: Ring,
) -> int:
    """Try failed deliveries again, all, those of one batch or reason, or these. Returns how many.

    `expect` is the count that the operator confirmed. Raises Refused where none has failed so, or by now
    more than that.
    """
    at = now()
    with database.write() as connection:
        blast = ledger.get(connection, blast_id, lock_row=True)
        same_account(blast, settings)
        count = ledger.retry(connection, blast_id, batch_id=batch_id, reason=reason, ids=ids, at=at)
        if not count:
            which = f" in batch {batch_id}" if batch_id is not None else ""
            which += f" with reason {reason}" if reason is not None else ""
            which += " among those that were chosen" if ids is not None else ""
            raise Refused(f"blast {blast_id} has no failed deliveries{which}: nothing to retry")
        if expect is not None and count > expect:
            told = f"{count:,} have failed by now, and {expect:,} were confirmed"
            raise Refused(f"blast {blast_id}: {told}: look again, and retry those")
        details = {"count": count, "batch": batch_id, "reason": reason}
        details |= {} if ids is None else {"chosen": len(ids)}
        _record(connection, actor, "retry", blast, details, at)
    ring(blast_id)
    return count


def set_rate(
    database: Database, settings: Settings, blast_id: int, *, per_second: float | None, actor: str
) -> Blast:
    """Give a blast a limit of its own (requests in any second), under the account's; None takes it away."""
    check_limits(per_second, None)
    told = {"per_second": per_second}
    return _adjust(database, settings, blast_id, "rate", told, actor=actor, rate_per_second=per_second)


def set_concurrency(
    database: Database, settings: Settings, blast_id: int, *, deliveries: int | None, actor: str
) -> Blast:
    """Let so many deliveries of a blast be in flight at once in each worker; None: as the setting allows."""
    check_limits(None, deliveries)
    told = {"deliveries": deliveries}
    return _adjust(database, settings, blast_id, "concurrency", told, actor=actor, concurrency=deliveries)


def set_limits(
    database: Database,
    settings: Settings,
    blast_id: int,
    *,
    per_second: float | None,
    deliveries: int | None,
    actor: str,
) -> None:
    """Set both limits as far as they are others than before: each has its own entry in the audit."""
    check_limits(per_second, deliveries)
    with database.read() as connection:
        blast = ledger.get(connection, blast_id)
    if per_second != blast.rate_per_second:
        set_rate(database, settings, blast_id, per_second=per_second, actor=actor)
    if deliveries != blast.concurrency:
        set_concurrency(database, settings, blast_id, deliveries=deliveries, actor=actor)


def check_limits(per_second: float | None, deliveries: int | None) -> None:
    """Raise UsageError for limits that no blast can have."""
    if per_second is not None and not 0 < per_second <= MOST_REQUESTS:
        most = f"at most at {MOST_REQUESTS} requests a second"
        raise UsageError(f"a rate lies above 0 and {most}, not {per_second:g}")
    if deliveries is not None and not 0 < deliveries <= MOST_IN_FLIGHT:
        raise UsageError(f"a concurrency lies between 1 and {MOST_IN_FLIGHT}, not at {deliveries}")


def set_urgent(database: Database, settings: Settings, blast_id: int, *, urgent: bool, actor: str) -> Blast:
    """Let a blast go before those that are not urgent, or no longer."""
    return _adjust(database, settings, blast_id, "urgent", {"urgent": urgent}, actor=actor, urgent=urgent)


def _adjust(
    database: Database,
    settings: Settings,
    blast_id: int,
    act: str,
    details: dict[str, Any],
    *,
    actor: str,
    **values: object,
) -> Blast:
    at = now()
    with database.write() as connection:
        blast = ledger.get(connection, blast_id, lock_row=True)
        same_account(blast, settings)
        if blast.state not in ledger.MAY["adjust"]:
            raise Refused(f"blast {blast_id} is {blast.state}: nothing of it is left to be sent")
        _change(connection, blast_id, **values)
        _record(connection, actor, act, blast, details, at)
        return ledger.get(connection, blast_id)


def _change(connection: sa.Connection, blast_id: int, **values: object) -> None:
    connection.execute(blasts.update().where(blasts.c.id == blast_id).values(**values))


def _step(database: Database, settings: Settings, blast_id: int, to: str, *, actor: str) -> Blast:
    at = now()
    with database.write() as connection:
        before = ledger.get(connection, blast_id, lock_row=True)
        same_account(before, settings)
        if before.state == to:
            return before
        blast = ledger.step(connection, blast_id, to, at=at)
        _record(connection, actor, to, blast, {"from": before.state}, at)
    return blast


def _record(
    connection: sa.Connection, actor: str, act: str, blast: Blast, details: dict[str, Any], at: datetime
) -> None:
    audit.append(connection, actor=actor, act=f"blast.{act}", subject=str(blast.id), details=details, at=at)
