"""How deliveries come into a worker's hands, and back: claim, lease, and what the gate says at that moment.

The states and their steps are the ledger's (store/ledger.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.database import among, lock
from store.ledger import get
from store.schema import attempts, batches, blasts, deliveries, members, passes, programs

MOST_LOOKS = 5
"""So often a claim looks for others where the gate turned all away, before it lets others at the store."""
TURNED_AWAY = 1_000
"""Deliveries looked at in each of these."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Why a delivery may not leave now: the gate's word, the same in words, and when to ask again.

    until  for a reason in WAITS; None for others, which skip it
    """

    reason: str
    detail: str
    until: datetime | None = None


Look = Callable[[sa.Connection, Sequence[int]], Mapping[int, Answer]]
"""Asks the gate again for deliveries by their ids: those that may not leave, and why."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this worker may send, with what the channel needs to address its pass.

    unsure   an earlier try may have arrived: it ended so, or its worker died over it
    why_not  the gate's reason against sending it, found after such a try: it may be looked up, not written
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
    program_name: str = ""
    unsure: bool = False
    why_not: str | None = None


def claim(
    connection: sa.Connection,
    blast_id: int,
    *,
    worker: str,
    limit: int,
    lease_until: datetime,
    at: datetime,
    look: Look,
    channel: str = "passkit",
) -> tuple[int, list[Claimed]]:
    """Take up to `limit` due deliveries on a channel that the gate still lets through: sending, with a lease.

    Returns the batch's id and its deliveries; (0, []) where nothing may leave now, the blast is not running
    or its undo window is open. `look` is asked about each: those that may not leave are skipped or put off.
    A pass that another delivery is on its way to waits its turn, so that texts arrive in the order of
    their blasts and an unsure delivery is cleared up before a newer text goes out.
    """
    blast = get(connection, blast_id, lock_row=connection.dialect.name == "postgresql")
    if not blast.sends_at(at):
        return 0, []
    lock(connection, "claim")
    wanted = limit
    for _ in range(MOST_LOOKS):
        due = _due(connection, blast_id, channel, limit=wanted, at=at)
        if not due:
            return 0, []
        answers = look(connection, list(due))
        # One that may have arrived is not skipped: the channel looks whether it did.
        tried = {
            id_: answers[id_].reason for id_ in due if id_ in answers and due[id_] and not answers[id_].until
        }
        _turn_away(connection, {id_: one for id_, one in answers.items() if id_ not in tried})
        ids = [id_ for id_ in due if id_ not in answers or id_ in tried][:limit]
        if ids:
            return _take(connection, blast_id, ids, tried, worker=worker, lease_until=lease_until, at=at)
        wanted = TURNED_AWAY
    return 0, []


def _due(
    connection: sa.Connection, blast_id: int, channel: str, *, limit: int, at: datetime
) -> dict[int, int]:
    """Deliveries that are due, with how often each was tried, in the order of their turn."""
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
    query = (
        sa.select(deliveries.c.id, deliveries.c.attempts)
        .where(
            deliveries.c.blast_id == blast_id,
            deliveries.c.state == "pending",
            deliveries.c.channel == channel,
            deliveries.c.due_at <= at,
            ~busy,
        )
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return {row.id: row.attempts for row in connection.execute(query)}


def _turn_away(connection: sa.Connection, answers: Mapping[int, Answer]) -> None:
    """Skip or put off deliveries that may not leave; one statement for all of one answer."""
    alike: dict[Answer, list[int]] = {}
    for delivery_id, answer in answers.items():
        alike.setdefault(answer, []).append(delivery_id)
    for answer, ids in alike.items():
        change: dict[str, Any] = {"reason": answer.reason, "detail": answer.detail, "due_at": answer.until}
        if answer.until is None:
            change |= {"state": "skipped", "verdict": "silent" if answer.reason == "same_text" else "nothing"}
        connection.execute(
            deliveries.update()
            .where(among(connection, deliveries.c.id, ids), deliveries.c.state == "pending")
            .values(**change)
        )


def _take(
    connection: sa.Connection,
    blast_id: int,
    ids: Sequence[int],
    why_not: Mapping[int, str],
    *,
    worker: str,
    lease_until: datetime,
    at: datetime,
) -> tuple[int, list[Claimed]]:
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
    return batch_id, _claimed(connection, batch_id, why_not)


def renew(connection: sa.Connection, batch_ids: Sequence[int], *, lease_until: datetime) -> None:
    """Keep the leases of deliveries that are still on their way."""
    connection.execute(
        deliveries.update()
        .where(deliveries.c.batch_id.in_(batch_ids), deliveries.c.state == "sending")
        .values(lease_until=lease_until)
    )


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


def _claimed(connection: sa.Connection, batch_id: int, why_not: Mapping[int, str]) -> list[Claimed]:
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
        programs.c.name.label("program_name"),
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
    # In the order of the class's fields: by name it takes as long as the query.
    make: Any = Claimed
    return [make(*row, why_not.get(row[0])) for row in connection.execute(query)]
