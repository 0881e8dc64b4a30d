"""Moments: always aware, always UTC, always spelled as RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


def now() -> datetime:
    """The wall clock, in UTC. Pacing and leases within a process use a monotonic clock instead."""
    return datetime.now(UTC)


def rfc3339(moment: datetime | None) -> str | None:
    """`2026-11-21T12:00:00.000000Z`, or None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Moment(sa.TypeDecorator[datetime]):
    """A moment in UTC on every database. SQLite drops time zones, so it is kept there as naive UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
