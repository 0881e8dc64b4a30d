"""When a blast starts: after its undo window, at a moment of its own, or not, since that was missed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from store import ledger
from store.ledger import Blast
from store.schema import blasts, deliveries


def start(connection: sa.Connection, blast_id: int, *, at: datetime, sends_from: datetime | None) -> Blast:
    """Let a blast run, with no moment of its own any more; nothing of it is claimed before `sends_from`."""
    ledger.step(connection, blast_id, "running", at=at)
    _ask_anew(connection, blast_id, at)
    return _set(connection, blast_id, send_at=None, sends_from=sends_from)


def schedule(connection: sa.Connection, blast_id: int, *, send_at: datetime, at: datetime) -> Blast:
    """Give a blast that was not yet started its moment, or another one."""
    if ledger.step(connection, blast_id, "scheduled", at=at).send_at != send_at:
        _ask_anew(connection, blast_id, at)
    return _set(connection, blast_id, send_at=send_at)


def come_due(
    connection: sa.Connection, account: str, *, at: datetime, grace: timedelta
) -> tuple[list[Blast], list[Blast]]:
    """Start the scheduled blasts whose moment has come; those `grace` too late are missed and ask.

    Returns the started and the missed ones. Each is returned to one caller only, whoever else does the
    same at that time. A started one has no undo window: its schedule was the window.
    """
    scheduled = sa.and_(blasts.c.account == account, blasts.c.state == "scheduled")
    late = blasts.update().where(scheduled, blasts.c.send_at < at - grace).values(state="missed")
    due = blasts.update().where(scheduled, blasts.c.send_at <= at).values(state="running", started_at=at)
    missed = _changed(connection, late)
    return _changed(connection, due), missed


def _ask_anew(connection: sa.Connection, blast_id: int, at: datetime) -> None:
    """What a plan put off for its own moment may leave at another: the gate is asked again then."""
    pending = sa.and_(deliveries.c.blast_id == blast_id, deliveries.c.state == "pending")
    connection.execute(deliveries.update().where(pending, deliveries.c.due_at > at).values(due_at=at))


def _changed(connection: sa.Connection, change: sa.Update) -> list[Blast]:
    rows: Iterable[sa.Row[Any]] = connection.execute(change.returning(*blasts.c))
    return sorted((Blast(**row._mapping) for row in rows), key=lambda blast: blast.id)


def _set(connection: sa.Connection, blast_id: int, **moments: datetime | None) -> Blast:
    connection.execute(blasts.update().where(blasts.c.id == blast_id).values(**moments))
    return ledger.get(connection, blast_id)
