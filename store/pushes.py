"""Own passes that changed without a blast: phones or Google have yet to be told; how the telling went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from store.database import among
from store.due import take_up
from store.schema import issued, passes, programs, pushes_due


@dataclass(frozen=True, slots=True)
class Due:
    """A pass that a worker has taken up to tell of; `due_at` is the end of its lease."""

    pass_id: int
    channel: str
    program_id: str
    attempts: int
    due_at: datetime


def any_due(connection: sa.Connection, account: str, *, at: datetime) -> bool:
    """Whether there is something to tell now."""
    return connection.execute(_due(account, at).limit(1)).first() is not None


def take(connection: sa.Connection, account: str, *, at: datetime, lease: timedelta, limit: int) -> list[Due]:
    """Take up some that are due. They are due again after the lease, should their worker die."""
    waiting = _due(account, at)
    rows = take_up(connection, waiting, pushes_due.c.pass_id, at=at, lease=lease, limit=limit)
    return [Due(row.pass_id, row.channel, row.program_id, row.attempts + 1, at + lease) for row in rows]


def told(connection: sa.Connection, due: Sequence[Due]) -> None:
    """Their phones know, unless the passes have changed again meanwhile."""
    for one in due:
        connection.execute(_same(pushes_due.delete(), one))


def failed(connection: sa.Connection, due: Due, *, detail: str, due_at: datetime | None) -> None:
    """The phones could not be told: again at `due_at`, or never; they find out by themselves in a day."""
    connection.execute(_same(pushes_due.update(), due).values(detail=detail[:200], due_at=due_at))


def unplaced(connection: sa.Connection, pass_ids: Sequence[int]) -> frozenset[int]:
    """Of these passes for Google, those that it has not taken as they are."""
    query = sa.select(issued.c.pass_id).where(
        among(connection, issued.c.pass_id, pass_ids), issued.c.placed_at.is_(None)
    )
    return frozenset(connection.scalars(query))


def _due(account: str, at: datetime) -> sa.Select[Any]:
    return (
        sa.select(pushes_due.c.pass_id, pushes_due.c.attempts, passes.c.channel, passes.c.program_id)
        .join(passes, passes.c.id == pushes_due.c.pass_id)
        .join(programs, programs.c.id == passes.c.program_id)
        .where(programs.c.account == account, pushes_due.c.due_at <= at)
    )


def _same(statement: Any, due: Due) -> Any:
    """As it was taken up: a change since then has set `due_at` anew."""
    return statement.where(pushes_due.c.pass_id == due.pass_id, pushes_due.c.due_at == due.due_at)
