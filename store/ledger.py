"""Blasts, deliveries, batches: every state, and every legal step between states.

Delivery: pending -> sending -> accepted | failed | skipped | pending (to be tried again, with due_at);
pending -> skipped on cancel, and where the gate says no when it is asked again at the claim;
failed -> pending on an operator's retry. accepted, skipped and held_out never leave. Blast: see STEPS.
A plan writes the first states (store/plans.py), a claim the next (store/claims.py), a settlement the last
ones (store/settlements.py), a schedule's moment starts or misses a blast (store/schedules.py); all others
are here, and nothing else writes a state.

planned = pending + sending + accepted + failed + skipped + held_out, always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.database import among
from store.errors import Refused, UsageError
from store.schema import batches, blasts, deliveries
from store.times import rfc3339

STATES = ("pending", "sending", "accepted", "failed", "skipped", "held_out")
"""The states of a delivery."""

CHANNELS = ("passkit", "apple", "google")
"""The ways to passes."""

VERDICTS = ("alert", "silent", "unproven", "nothing")
"""What a phone will do, from a lit screen down to nothing."""

WAITS = ("quiet_hours", "too_soon")
"""Reasons for which a delivery stays pending and is due later; others skip it."""

STEPS: Mapping[str, frozenset[str]] = {
    "planned": frozenset({"scheduled", "running", "cancelled"}),
    "scheduled": frozenset({"running", "missed", "cancelled"}),
    "missed": frozenset({"running", "scheduled", "cancelled"}),
    "running": frozenset({"paused", "held", "finished", "cancelled"}),
    "paused": frozenset({"running", "cancelled"}),
    "held": frozenset({"running", "paused", "cancelled"}),
    "finished": frozenset({"running"}),
    "cancelled": frozenset(),
}
"""The legal steps of a blast; finished -> running is an operator's retry of failed deliveries."""

WAITING = ("planned", "scheduled", "missed")
"""States of a blast before its launch, or before the moment that it was launched for."""
UNDER_WAY = ("running", "paused", "held")
"""States of a blast between its start and its end."""

MAY: Mapping[str, frozenset[str]] = {
    "launch": frozenset(WAITING),
    "pause": frozenset(state for state, steps in STEPS.items() if "paused" in steps),
    "resume": frozenset({"paused", "held"}),
    "cancel": frozenset(state for state, steps in STEPS.items() if "cancelled" in steps),
    "adjust": frozenset({*WAITING, *UNDER_WAY}),
    "retry": frozenset({*UNDER_WAY, "finished"}),
    "nudge": frozenset({"finished"}),
}
"""In which states of a blast a person's verb has something to do: the verbs refuse by it, and by it a screen
says beforehand what stands in a key's way. `adjust` is for its rate, its concurrency and its urgency."""


@dataclass(frozen=True, slots=True)
class Blast:
    """One message to one audience; what each column means stands in store/schema/sending.py."""

    id: int
    account: str
    program_id: str
    name: str
    text: str
    message_key: str
    audience: str
    audience_key: str | None
    purpose: str
    category: str | None
    rules: dict[str, Any] | None
    state: str
    hold_reason: str | None
    probe_at: datetime | None
    rate_per_second: float | None
    concurrency: int | None
    urgent: bool
    send_at: datetime | None
    sends_from: datetime | None
    plan_hash: str
    planned_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    def sends_at(self, at: datetime) -> bool:
        """Whether deliveries may leave at that moment: it runs, and its undo window is over."""
        return self.state == "running" and (self.sends_from is None or self.sends_from <= at)

    def undo_left(self, at: datetime) -> float:
        """Seconds until its first message may leave; 0 where it does not run or its window is over."""
        if self.state != "running" or self.sends_from is None:
            return 0.0
        return max((self.sends_from - at).total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class Tally:
    """A blast's figures, read from the ledger.

    deferred_by_reason  pending, and put off by the gate
    deferred_until      when the first and the last of those are due, by the same reasons
    verdicts            zeros included, and nothing else in `progress`
    open_on             pending and sending ones by channel
    """

    states: dict[str, int]
    skipped_by_reason: dict[str, int] = field(default_factory=Counter)
    failed_by_reason: dict[str, int] = field(default_factory=Counter)
    deferred_by_reason: dict[str, int] = field(default_factory=Counter)
    deferred_until: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    open_on: dict[str, int] = field(default_factory=Counter)

    @property
    def planned(self) -> int:
        """All deliveries of the blast."""
        return sum(self.states.values())

    @property
    def counts(self) -> dict[str, int]:
        """`planned` and every state, zeros included."""
        return {"planned": self.planned, **self.states}

    @property
    def open(self) -> int:
        """Deliveries that have not come to an end."""
        return self.states["pending"] + self.states["sending"]


def get(connection: sa.Connection, blast_id: int, *, lock_row: bool = False) -> Blast:
    """One blast; `lock_row` keeps others from changing it until the transaction ends."""
    query = sa.select(blasts).where(blasts.c.id == blast_id)
    row = connection.execute(query.with_for_update() if lock_row else query).first()
    if row is None:
        raise UsageError(f"there is no blast {blast_id}")
    return Blast(**row._mapping)


def list_blasts(
    connection: sa.Connection, account: str, *, program_id: str | None = None, limit: int = 1_000
) -> list[Blast]:
    """Blasts of an account, the newest first."""
    query = sa.select(blasts).where(blasts.c.account == account).order_by(blasts.c.id.desc()).limit(limit)
    if program_id is not None:
        query = query.where(blasts.c.program_id == program_id)
    return [Blast(**row._mapping) for row in connection.execute(query)]


def tally(connection: sa.Connection, blast_id: int) -> Tally:
    """Count a blast's deliveries by state, reason and verdict."""
    verdict = deliveries.c.verdict
    if connection.dialect.name == "postgresql":
        return _tallied(connection, _groups(blast_id, deliveries.c.reason, verdict))
    result = progress(connection, blast_id)
    query = sa.select(verdict, sa.func.count()).where(deliveries.c.blast_id == blast_id).group_by(verdict)
    result.verdicts.update(dict(connection.execute(query).all()))
    return result


def progress(connection: sa.Connection, blast_id: int) -> Tally:
    """A tally without its verdicts, for who asks again and again.

    SQLite reads nearly all of it from an index. Postgres looks at each row: its index leaves open what has
    just been changed.
    """
    state, channel, reason, due = (deliveries.c[name] for name in ("state", "channel", "reason", "due_at"))
    if connection.dialect.name == "postgresql":
        return _tallied(connection, _groups(blast_id, reason))
    # Most of what is pending is due since the plan; what was put off is not, and only that is looked at.
    planned_at = sa.select(blasts.c.planned_at).where(blasts.c.id == blast_id).scalar_subquery()
    pending, other = sa.and_(state == "pending", channel.in_(CHANNELS)), due.is_distinct_from(planned_at)
    parts = (
        _groups(blast_id, reason).where(pending, other),  # the first one: it gives all their types
        _groups(blast_id, reason).where(state.in_(("skipped", "failed"))),
        _groups(blast_id).where(pending, ~other),
        _groups(blast_id).where(state.in_(("sending", "accepted", "held_out"))),
    )
    return _tallied(connection, sa.union_all(*parts))


def _groups(blast_id: int, *looked_at: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Counts by state, channel, reason and verdict, with the first and last due; NULL where not looked at."""
    kinds, due = (deliveries.c.state, deliveries.c.channel, *looked_at), deliveries.c.due_at
    ends = (sa.func.min(due), sa.func.max(due)) if looked_at else (sa.null(), sa.null())
    query = sa.select(*kinds, *[sa.null()] * (2 - len(looked_at)), sa.func.count(), *ends)
    return query.where(deliveries.c.blast_id == blast_id).group_by(*kinds)


def _tallied(connection: sa.Connection, groups: sa.Executable) -> Tally:
    result = Tally(dict.fromkeys(STATES, 0))
    for state, channel, reason, verdict, count, first, last in connection.execute(groups):
        result.states[state] += count
        if verdict is not None:
            result.verdicts[verdict] += count
        if state in ("pending", "sending"):
            result.open_on[channel] += count
        if state == "pending" and reason in WAITS:
            result.deferred_by_reason[reason] += count
            since, until = result.deferred_until.get(reason, (first, last))
            result.deferred_until[reason] = (min(since, first), max(until, last))
        if state in ("skipped", "failed"):
            by_reason = result.skipped_by_reason if state == "skipped" else result.failed_by_reason
            by_reason[reason or "unknown"] += count
    return result


def step(
    connection: sa.Connection,
    blast_id: int,
    to: str,
    *,
    at: datetime,
    hold_reason: str | None = None,
    probe_at: datetime | None = None,
) -> Blast:
    """Take a blast to another state. Raises Refused where STEPS has no such step; staying put is no step."""
    blast = get(connection, blast_id, lock_row=True)
    if blast.state == to:
        return blast
    if to not in STEPS[blast.state]:
        raise Refused(f"blast {blast_id} is {blast.state}: it cannot become {to}")
    values: dict[str, Any] = {"state": to, "hold_reason": None, "probe_at": None}
    if to == "held":
        values |= {"hold_reason": hold_reason, "probe_at": probe_at}
    if to == "running":
        values["finished_at"] = None
        if blast.started_at is None:
            values["started_at"] = at
    if to in ("finished", "cancelled"):
        values["finished_at"] = at
    connection.execute(blasts.update().where(blasts.c.id == blast_id).values(**values))
    if to == "cancelled":
        _skip_pending(connection, blast_id)
    return get(connection, blast_id)


def ended(connection: sa.Connection, blast_id: int) -> tuple[int, int]:
    """How many sends of a blast have ended accepted, and failed; those that were retried count again."""
    sums = sa.select(*(sa.func.coalesce(sa.func.sum(c), 0) for c in (batches.c.accepted, batches.c.failed)))
    accepted, failed = connection.execute(sums.where(batches.c.blast_id == blast_id)).one()
    return int(accepted), int(failed)


def next_due(connection: sa.Connection, blast_id: int, channel: str = "passkit") -> datetime | None:
    """When its next delivery on a channel may leave, its undo window heeded; None: nothing is pending."""
    opens = sa.select(blasts.c.sends_from).where(blasts.c.id == blast_id).scalar_subquery()
    query = sa.select(sa.func.min(deliveries.c.due_at), opens).where(
        deliveries.c.blast_id == blast_id, deliveries.c.state == "pending", deliveries.c.channel == channel
    )
    due: datetime | None
    sends_from: datetime | None
    due, sends_from = connection.execute(query).one()
    return due if due is None or sends_from is None else max(due, sends_from)


def finish_if_done(connection: sa.Connection, blast_id: int, *, at: datetime) -> bool:
    """Finish a running blast with nothing pending or sending. True where this call did it."""
    open_one = sa.exists().where(
        deliveries.c.blast_id == blast_id, deliveries.c.state.in_(("pending", "sending"))
    )
    done = sa.and_(blasts.c.id == blast_id, blasts.c.state == "running", ~open_one)
    # A retry under way holds the row, and what it makes pending is seen only by a statement that begins
    # after it: so first have the row, without waiting for whoever has it, and then look.
    had = sa.select(blasts.c.id).where(done).with_for_update(skip_locked=True)
    if connection.execute(had).first() is None:
        return False
    finished = blasts.update().where(done).values(state="finished", finished_at=at)
    return connection.execute(finished).rowcount > 0


def due_blasts(connection: sa.Connection, account: str, *, at: datetime) -> list[tuple[int, str]]:
    """Running blasts of an account that have something due, and on which channel; urgent ones first."""
    may_send = sa.or_(blasts.c.sends_from.is_(None), blasts.c.sends_from <= at)
    query = (
        sa.select(blasts.c.id, *(_pending_on(channel, at).label(channel) for channel in CHANNELS))
        .where(blasts.c.account == account, blasts.c.state == "running", may_send)
        .order_by(blasts.c.urgent.desc(), blasts.c.id)
    )
    rows = connection.execute(query).mappings()
    return [(row["id"], channel) for row in rows for channel in CHANNELS if row[channel]]


def open_channels(connection: sa.Connection, blast_id: int) -> list[str]:
    """The channels on which a blast has something pending."""
    columns = (_pending_on(channel).label(channel) for channel in CHANNELS)
    row = connection.execute(sa.select(*columns).where(blasts.c.id == blast_id)).mappings().first()
    return [channel for channel in CHANNELS if row is not None and row[channel]]


def _pending_on(channel: str, due_by: datetime | None = None) -> sa.ColumnElement[bool]:
    of = deliveries.c
    on_it = sa.exists().where(of.blast_id == blasts.c.id, of.state == "pending", of.channel == channel)
    return on_it if due_by is None else on_it.where(of.due_at <= due_by)


def running_blasts(connection: sa.Connection, account: str) -> list[int]:
    """Running blasts of an account."""
    query = sa.select(blasts.c.id).where(blasts.c.account == account, blasts.c.state == "running")
    return list(connection.scalars(query.order_by(blasts.c.id)))


def retry(
    connection: sa.Connection,
    blast_id: int,
    *,
    batch_id: int | None = None,
    reason: str | None = None,
    ids: Sequence[int] | None = None,
    at: datetime,
) -> int:
    """Make failed deliveries pending again, with their tries counted anew. Returns how many.

    `ids` are those that were chosen one by one. Only failed ones, never what was accepted. A finished
    blast runs again.
    """
    blast = get(connection, blast_id, lock_row=True)
    if blast.state == "cancelled":
        raise Refused(f"blast {blast_id} was cancelled: plan a new one")
    if blast.state not in MAY["retry"]:
        raise Refused(f"blast {blast_id} is {blast.state}: nothing of it has failed yet")
    query = deliveries.update().where(failed_where(blast_id, batch_id=batch_id, reason=reason))
    if ids is not None:
        query = query.where(among(connection, deliveries.c.id, ids))
    cleared = dict.fromkeys(("reason", "detail", "code"))
    changed = query.values(state="pending", due_at=at, attempts_forgiven=deliveries.c.attempts, **cleared)
    count = connection.execute(changed).rowcount
    if count and blast.state == "finished":
        step(connection, blast_id, "running", at=at)
    return count


def failed_of(connection: sa.Connection, blast_id: int, ids: Sequence[int]) -> list[int]:
    """Which of these deliveries of a blast are failed now."""
    failed = sa.and_(failed_where(blast_id), among(connection, deliveries.c.id, ids))
    return list(connection.scalars(sa.select(deliveries.c.id).where(failed).order_by(deliveries.c.id)))


def failed_where(
    blast_id: int, *, batch_id: int | None = None, reason: str | None = None
) -> sa.ColumnElement[bool]:
    """Which deliveries a retry with these choices takes up."""
    condition = sa.and_(deliveries.c.blast_id == blast_id, deliveries.c.state == "failed")
    if batch_id is not None:
        condition = sa.and_(condition, deliveries.c.batch_id == batch_id)
    if reason is not None:
        condition = sa.and_(condition, deliveries.c.reason == reason)
    return condition


def _skip_pending(connection: sa.Connection, blast_id: int) -> None:
    connection.execute(
        deliveries.update()
        .where(deliveries.c.blast_id == blast_id, deliveries.c.state == "pending")
        .values(
            state="skipped", reason="cancelled", detail="the blast was cancelled before its turn", due_at=None
        )
    )


def as_json(blast: Blast, figures: Tally) -> dict[str, Any]:
    """A blast as the commands print it."""
    return {
        "id": blast.id,
        "program": blast.program_id,
        "name": blast.name,
        "text": blast.text,
        "audience": blast.audience,
        "purpose": blast.purpose,
        "category": blast.category,
        "state": blast.state,
        "hold_reason": blast.hold_reason,
        "account": blast.account,
        "counts": figures.counts,
        "skipped_by_reason": figures.skipped_by_reason,
        "failed_by_reason": figures.failed_by_reason,
        "deferred_by_reason": figures.deferred_by_reason,
        "verdicts": figures.verdicts,
        "rate_per_second": blast.rate_per_second,
        "concurrency": blast.concurrency,
        "urgent": blast.urgent,
        "send_at": rfc3339(blast.send_at),
        "sends_from": rfc3339(blast.sends_from),
        "hash": blast.plan_hash,
        "planned_at": rfc3339(blast.planned_at),
        "started_at": rfc3339(blast.started_at),
        "finished_at": rfc3339(blast.finished_at),
    }
