"""Lists of what is to be told to others, such as `pushes_due`: how a worker takes up some of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from store.database import among


def take_up(
    connection: sa.Connection,
    waiting: sa.Select[Any],
    key: sa.Column[Any],
    *,
    at: datetime,
    lease: timedelta,
    limit: int,
) -> Sequence[sa.Row[Any]]:
    """Take up some of those that wait. They are due again after the lease, should their worker die.

    `key` is the list's own, and the first column of `waiting`. The rows are as they were before.
    """
    table = key.table
    query = waiting.order_by(table.c.due_at, key).limit(limit)
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(of=table, skip_locked=True)
    rows = connection.execute(query).all()
    taken = sa.update(table).where(among(connection, key, [row[0] for row in rows]))
    connection.execute(taken.values(due_at=at + lease, attempts=table.c.attempts + 1))
    return rows
