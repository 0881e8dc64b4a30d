"""How many members saved audiences had, at the times when somebody asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from store.schema import audience_sizes, audiences
from store.times import Moment
from store.times import now as clock

EVERY = timedelta(hours=1)
"""A size is noted when somebody asks, but not more often than this."""
NEWEST = 30


@dataclass(frozen=True, slots=True)
class Size:
    """How many members an audience had when somebody asked."""

    at: datetime
    members: int


def note(connection: sa.Connection, audience_id: int, size: int, now: datetime | None = None) -> None:
    """Keep how many members it has, unless that was noted within the last hour, or it was deleted."""
    at = now or clock()
    if is_due(newest(connection, audience_id, most=1), at):
        row = sa.select(audiences.c.id, sa.literal(at, Moment), sa.literal(size, sa.Integer))
        connection.execute(
            audience_sizes.insert().from_select(
                ["audience_id", "at", "members"], row.where(audiences.c.id == audience_id)
            )
        )


def is_due(known: Sequence[Size], now: datetime) -> bool:
    """Whether the newest of the known sizes is so old that another is worth keeping."""
    return not known or now - known[-1].at >= EVERY


def newest(connection: sa.Connection, audience_id: int, *, most: int = NEWEST) -> list[Size]:
    """Its newest sizes, the oldest of them first."""
    of = audience_sizes.c.audience_id == audience_id
    query = sa.select(audience_sizes.c.at, audience_sizes.c.members).where(of)
    found = connection.execute(query.order_by(audience_sizes.c.at.desc()).limit(most)).all()
    return [Size(row.at, row.members) for row in reversed(found)]
