"""Blasts, deliveries, batches: every state, and every legal step between states.

Delivery: pending -> sending -> accepted | failed | skipped | pending (to be tried again, with due_at);
pending -> skipped on cancel; failed -> pending on an operator's retry. accepted, skipped and held_out
never leave. Blast: see STEPS. A plan writes the first states (store/plans.py), a settlement the last ones
(store/settlements.py), a schedule's moment starts or misses one (store/schedules.py); all others are here,
and nothing else writes a state.

planned = pending + sending + accepted + failed + skipped + held_out, always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.database import among, lock
from store.errors import Refused, UsageError
from store.schema import attempts, batches, blasts, deliveries, members, passes, programs
from store.times import rfc3339

STATES = ("pending", "sending", "accepted", "failed", "skipped", "held_out")
"""The states of a delivery."""

VERDICTS = ("alert", "silent", "nothing", "unproven")
"""What a phone will do."""

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


@dataclass(frozen=True, slots=True)
class Blast:
    """One message to one audience; what each column means stands in store/schema.py."""

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
    rules_hash: str | None
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
class Claimed:
    """A delivery that this worker may send, with what the channel needs to address its pass.

    unsure  an earlier try may have arrived: it ended so, or its worker died over it
    """

    id: int
    pass_id: int
    attempts: int
    text: str
    program_id: str
    kind: str
    provider_id: str
    external_id: str
    tier_id: str
    keys: dict[str, Any]
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """A blast's figures: one query on the ledger."""

    states: dict[str, int]
    skipped_by_reason: dict[str, int] = field(default_factory=dict)
    failed_by_reason: dict[str, int] = field(default_factory=dict)
    verdicts: dict[str, int] = field(default_factory=dict)

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
    query = (
        sa.select(deliveries.c.state, deliveries.c.reason, deliveries.c.verdict, sa.func.count())
        .where(deliveries.c.blast_id == blast_id)
        .group_by(deliveries.c.state, deliveries.c.reason, deliveries.c.verdict)
    )
    result = Tally(states=dict.fromkeys(STATES, 0), verdicts=dict.fromkeys(VERDICTS, 0))
    reasons = {"skipped": result.skipped_by_reason, "failed": result.failed_by_reason}
    for state, reason, verdict, count in connection.execute(query):
        result.states[state] += count
        result.verdicts[verdict] += count
        if state in reasons:
            by_reason = reasons[state]
            by_reason[reason or "unknown"] = by_reason.get(reason or "unknown", 0) + count
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


def claim(
    connection: sa.Connection, blast_id: int, *, worker: str, limit: int, lease_until: datetime, at: datetime
) -> tuple[int, list[Claimed]]:
    """Take up to `limit` due deliveries: state sending, under a lease, as one batch.

    Returns the batch's id and its deliveries; (0, []) where nothing is due, the blast is not running or
    its undo window is open.
    A pass that another delivery is on its way to waits its turn, so that texts arrive in the order of
    their blasts and an unsure delivery is cleared up before a newer text goes out.
    """
    blast = get(connection, blast_id, lock_row=connection.dialect.name == "postgresql")
    if not blast.sends_at(at):
        return 0, []
    lock(connection, "claim")
    other = deliveries.alias("other")
    open_states = sa.text("other.state IN ('pending', 'sending')")  # spelled as the partial index spells it
    unsure = sa.and_(
        other.c.attempts > 0,
        other.c.blast_id < blast_id,
        other.c.blast_id.in_(sa.select(blasts.c.id).where(blasts.c.state == "running")),
    )
    busy = sa.exists().where(
        other.c.pass_id == deliveries.c.pass_id,
        other.c.id != deliveries.c.id,
        open_states,
        sa.or_(other.c.state == "sending", unsure),
    )
    ids = connection.scalars(
        sa.select(deliveries.c.id)
        .where(
            deliveries.c.blast_id == blast_id,
            deliveries.c.state == "pending",
            deliveries.c.due_at <= at,
            ~busy,
        )
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if not ids:
        return 0, []
    batch = batches.insert().values(
        blast_id=blast_id, worker=worker, claimed_at=at, size=len(ids), accepted=0, failed=0, returned=0
    )
    batch_id: int = connection.execute(batch.returning(batches.c.id)).scalar_one()
    connection.execute(
        deliveries.update()
        .where(among(connection, deliveries.c.id, ids), deliveries.c.state == "pending")
        .values(
            state="sending", lease_until=lease_until, batch_id=batch_id, attempts=deliveries.c.attempts + 1
        )
    )
    return batch_id, _claimed(connection, batch_id)


def renew(connection: sa.Connection, batch_ids: Sequence[int], *, lease_until: datetime) -> None:
    """Keep the leases of deliveries that are still on their way."""
    connection.execute(
        deliveries.update()
        .where(deliveries.c.batch_id.in_(batch_ids), deliveries.c.state == "sending")
        .values(lease_until=lease_until)
    )


def ended(connection: sa.Connection, blast_id: int) -> tuple[int, int]:
    """How many sends of a blast have ended accepted, and failed; those that were retried count again."""
    sums = sa.select(*(sa.func.coalesce(sa.func.sum(c), 0) for c in (batches.c.accepted, batches.c.failed)))
    accepted, failed = connection.execute(sums.where(batches.c.blast_id == blast_id)).one()
    return int(accepted), int(failed)


def next_due(connection: sa.Connection, blast_id: int) -> datetime | None:
    """When the blast's next delivery may leave, its undo window heeded; None where nothing is pending."""
    opens = sa.select(blasts.c.sends_from).where(blasts.c.id == blast_id).scalar_subquery()
    query = sa.select(sa.func.min(deliveries.c.due_at), opens).where(
        deliveries.c.blast_id == blast_id, deliveries.c.state == "pending"
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


def end_leases_of(connection: sa.Connection, worker: str, *, at: datetime) -> None:
    """A worker is known to be dead: what it held need not wait for its leases to run out."""
    its_batches = sa.select(batches.c.id).where(batches.c.worker == worker, batches.c.settled_at.is_(None))
    connection.execute(
        deliveries.update()
        .where(deliveries.c.batch_id.in_(its_batches), deliveries.c.state == "sending")
        .values(lease_until=at)
    )


def release_expired(connection: sa.Connection, account: str, *, at: datetime) -> int:
    """Take back deliveries whose lease ran out: their worker is dead or stuck. Returns how many.

    Whether they arrived is unknown. They become due at once, and the channel looks before it repeats;
    in a cancelled blast they end as failed, since nobody will look any more.
    """
    expired = sa.and_(deliveries.c.state == "sending", deliveries.c.lease_until <= at)
    its_own = sa.exists().where(deliveries.c.blast_id == blasts.c.id, expired)
    # Their blasts are had first: one that is cancelled meanwhile must not be left with a pending delivery.
    found = connection.execute(
        sa.select(blasts.c.id, blasts.c.state)
        .where(blasts.c.account == account, its_own)
        .order_by(blasts.c.id)
        .with_for_update()
    ).all()
    cancelled = [blast.id for blast in found if blast.state == "cancelled"]
    ended = connection.execute(
        _unless_busy(expired, cancelled).values(
            state="failed",
            reason="unknown",
            detail="in flight when its worker died, and the blast was cancelled before anyone could look",
            lease_until=None,
            due_at=None,
        )
    ).rowcount
    others = [blast.id for blast in found if blast.state != "cancelled"]
    returned = connection.execute(
        _unless_busy(expired, others).values(state="pending", lease_until=None, due_at=at)
    ).rowcount
    return ended + returned


def _unless_busy(expired: sa.ColumnElement[bool], blast_ids: Sequence[int]) -> sa.Update:
    """An update of these blasts' expired deliveries, except those that somebody settles at this moment."""
    free = sa.select(deliveries.c.id).where(expired, deliveries.c.blast_id.in_(blast_ids))
    return deliveries.update().where(deliveries.c.id.in_(free.with_for_update(skip_locked=True)))


def due_blasts(connection: sa.Connection, account: str, *, at: datetime) -> list[int]:
    """Running blasts of an account that have something due, the urgent ones first."""
    due = sa.exists().where(
        deliveries.c.blast_id == blasts.c.id, deliveries.c.state == "pending", deliveries.c.due_at <= at
    )
    may_send = sa.or_(blasts.c.sends_from.is_(None), blasts.c.sends_from <= at)
    query = sa.select(blasts.c.id).where(
        blasts.c.account == account, blasts.c.state == "running", may_send, due
    )
    return list(connection.scalars(query.order_by(blasts.c.urgent.desc(), blasts.c.id)))


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
    at: datetime,
) -> int:
    """Make failed deliveries pending again, with their tries counted anew. Returns how many.

    Only failed ones, never what was accepted. A finished blast runs again.
    """
    blast = get(connection, blast_id, lock_row=True)
    if blast.state == "cancelled":
        raise Refused(f"blast {blast_id} was cancelled: plan a new one")
    if blast.state in ("planned", "scheduled", "missed"):
        raise Refused(f"blast {blast_id} is {blast.state}: nothing of it has failed yet")
    query = deliveries.update().where(failed_where(blast_id, batch_id=batch_id, reason=reason))
    count = connection.execute(
        query.values(
            state="pending",
            reason=None,
            detail=None,
            code=None,
            due_at=at,
            attempts_forgiven=deliveries.c.attempts,
        )
    ).rowcount
    if count and blast.state == "finished":
        step(connection, blast_id, "running", at=at)
    return count


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


def _claimed(connection: sa.Connection, batch_id: int) -> list[Claimed]:
    # Each try that did not arrive has a row that says so; one of a worker that died has none.
    known_ends = (
        sa.select(sa.func.count())
        .where(attempts.c.delivery_id == deliveries.c.id, attempts.c.outcome != "unknown")
        .scalar_subquery()
    )
    columns: list[sa.ColumnElement[Any]] = [
        deliveries.c.id,
        deliveries.c.pass_id,
        (deliveries.c.attempts - deliveries.c.attempts_forgiven).label("attempts"),
        sa.func.coalesce(deliveries.c.text, blasts.c.text).label("text"),
        blasts.c.program_id,
        programs.c.kind,
        passes.c.provider_id,
        members.c.external_id,
        sa.func.coalesce(members.c.tier_id, "").label("tier_id"),
        passes.c["keys"],
        (known_ends < deliveries.c.attempts - 1).label("unsure"),
    ]
    query = (
        sa.select(*columns)
        .select_from(deliveries)
        .join(blasts, blasts.c.id == deliveries.c.blast_id)
        .join(programs, programs.c.id == blasts.c.program_id)
        .join(passes, passes.c.id == deliveries.c.pass_id)
        .join(members, members.c.id == passes.c.member_id)
        .where(deliveries.c.batch_id == batch_id, deliveries.c.state == "sending")
        .order_by(deliveries.c.id)
    )
    return [Claimed(*row) for row in connection.execute(query)]


def as_json(blast: Blast, figures: Tally) -> dict[str, Any]:
    """A blast as the commands print it."""
    return {
        "id": blast.id,
        "program": blast.program_id,
        "name": blast.name,
        "text": blast.text,
        "audience": blast.audience,
        "state": blast.state,
        "hold_reason": blast.hold_reason,
        "account": blast.account,
        "counts": figures.counts,
        "skipped_by_reason": figures.skipped_by_reason,
        "failed_by_reason": figures.failed_by_reason,
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
