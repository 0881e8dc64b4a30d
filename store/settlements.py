"""How claimed deliveries end: outcome, try, what was learnt of the pass, and the batch's figures, at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store import consents
from store.database import among, lock_rows
from store.ledger import get
from store.schema import attempts, batches, deliveries, members, passes


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one claimed delivery ends: its next state and why.

    state        accepted | failed | skipped | pending (again at `due_at`)
    counts       False where the try shall not count (given back unsent)
    pass_status  what was learnt of the pass itself: gone, uninstalled ...; None: nothing
    opted_out    the member turned out to have opted out
    member_status  what was learnt of the member: EXPIRED, DELETED; None: nothing
    """

    delivery_id: int
    pass_id: int
    state: str
    outcome: str
    reason: str | None = None
    detail: str | None = None
    code: str | None = None
    due_at: datetime | None = None
    counts: bool = True
    pass_status: str | None = None
    shown_text: str | None = None
    opted_out: bool = False
    member_status: str | None = None


def settle(
    connection: sa.Connection,
    blast_id: int,
    batch_id: int,
    settlements: Sequence[Settlement],
    *,
    at: datetime,
) -> int:
    """Write how deliveries of a batch ended; returns how many were no longer this batch's to settle.

    A delivery whose lease has run out and was taken back is left alone. In a cancelled blast nothing
    becomes pending again.
    """
    # What goes back to pending must not cross a cancel, so it has the blast first; an end may.
    goes_back = any(settlement.state == "pending" for settlement in settlements)
    cancelled = get(connection, blast_id, lock_row=goes_back).state == "cancelled"
    still_ours = set(
        connection.scalars(
            sa.select(deliveries.c.id)
            .where(deliveries.c.batch_id == batch_id, deliveries.c.state == "sending")
            .with_for_update()
        )
    )
    ours = [_in_cancelled(s) if cancelled else s for s in settlements if s.delivery_id in still_ours]
    if not ours:
        return len(settlements)
    _write_deliveries(connection, batch_id, ours, at)
    _write_attempts(connection, batch_id, ours, at)
    _write_passes(connection, ours, at)
    done = {state: sum(s.state == state for s in ours) for state in ("accepted", "failed", "pending")}
    connection.execute(
        batches.update()
        .where(batches.c.id == batch_id)
        .values(
            accepted=batches.c.accepted + done["accepted"],
            failed=batches.c.failed + done["failed"],
            returned=batches.c.returned + done["pending"],
            settled_at=at if len(still_ours) == len(ours) else None,
        )
    )
    return len(settlements) - len(ours)


def _in_cancelled(settlement: Settlement) -> Settlement:
    if settlement.state != "pending":
        return settlement
    unsure = settlement.outcome == "unknown"
    return Settlement(
        delivery_id=settlement.delivery_id,
        pass_id=settlement.pass_id,
        state="failed" if unsure else "skipped",
        outcome=settlement.outcome,
        reason="unknown" if unsure else "cancelled",
        detail=settlement.detail if unsure else "the blast was cancelled before its turn",
        code=settlement.code,
        counts=settlement.counts,
    )


def _write_deliveries(
    connection: sa.Connection, batch_id: int, settlements: Iterable[Settlement], at: datetime
) -> None:
    """One statement for all that end alike, which is nearly always all accepted ones."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for s in settlements:
        due_at = s.due_at if s.state == "pending" else None
        end = (s.state, s.reason, s.detail, s.code, due_at, s.counts)
        alike.setdefault(end, []).append(s.delivery_id)
    for (state, reason, detail, code, due_at, counts), ids in alike.items():
        change: dict[str, Any] = {"state": state, "reason": reason, "detail": detail, "code": code}
        change |= {"due_at": due_at, "lease_until": None}
        change["accepted_at"] = at if state == "accepted" else None
        if not counts:
            change["attempts"] = deliveries.c.attempts - 1
        connection.execute(
            deliveries.update()
            .where(
                among(connection, deliveries.c.id, ids),
                deliveries.c.batch_id == batch_id,
                deliveries.c.state == "sending",
            )
            .values(**change)
        )


def _write_attempts(
    connection: sa.Connection, batch_id: int, settlements: Iterable[Settlement], at: datetime
) -> None:
    rows = [
        {
            "delivery_id": s.delivery_id,
            "batch_id": batch_id,
            "at": at,
            "outcome": s.outcome,
            "reason": s.reason,
            "detail": s.detail,
            "code": s.code,
        }
        for s in settlements
        if s.counts and s.state != "accepted"
    ]
    if rows:
        connection.execute(attempts.insert(), rows)


def _write_passes(connection: sa.Connection, settlements: Sequence[Settlement], at: datetime) -> None:
    changes: dict[tuple[str, str], list[int]] = {}
    for s in settlements:
        if s.shown_text is not None:
            changes.setdefault(("shown_text", s.shown_text), []).append(s.pass_id)
        if s.pass_status is not None:
            changes.setdefault(("status", s.pass_status), []).append(s.pass_id)
    lock_rows(connection, passes.c.id, [pass_id for ids in changes.values() for pass_id in ids])
    for (column, value), ids in changes.items():
        change: dict[str, Any] = {column: value}
        if column == "shown_text":
            change["shown_at"] = at
        connection.execute(passes.update().where(among(connection, passes.c.id, ids)).values(**change))
    for status in {s.member_status for s in settlements if s.member_status is not None}:
        ended = [s.pass_id for s in settlements if s.member_status == status]
        holders = sa.select(passes.c.member_id).where(passes.c.id.in_(ended))
        connection.execute(members.update().where(members.c.id.in_(holders)).values(status=status))
    opted_out = [s.pass_id for s in settlements if s.opted_out]
    if opted_out:
        holders = sa.select(passes.c.member_id).where(passes.c.id.in_(opted_out))
        # Only who was not known to have opted out: what they said here since stands otherwise.
        new = members.update().where(members.c.id.in_(holders), members.c.opted_out.is_(False))
        turned = connection.scalars(new.values(opted_out=True).returning(members.c.id))
        consents.follow_passkit(connection, dict.fromkeys(turned, True), at=at, seen_at=at)
