"""The life of a pass: made, installed, changed, removed, redeemed, and what a business tells of it.

Append-only. An event of `apple` or `google` is what a wallet did; one of `events` came by `POST /v1/events`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.schema import pass_events, passes
from store.times import rfc3339

KINDS = ("created", "installed", "updated", "removed", "redeemed", "balance_changed")
"""What passbell itself understands; any other kind is a word of the business."""

SOURCES = ("apple", "google", "passkit", "events", "passbell")
"""Who may have told of an event."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a pass. `at` is when, as far as its source tells."""

    pass_id: int
    kind: str
    at: datetime
    source: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The event as the commands print it; which pass it was, the caller knows by its own name."""
        return {
            "kind": self.kind,
            "at": rfc3339(self.at),
            "source": self.source,
            "details": dict(self.details),
        }


def add(connection: sa.Connection, events: Sequence[Event]) -> None:
    """Append them, in this order."""
    assert all(one.source in SOURCES for one in events)
    rows = [
        {name: getattr(one, name) for name in ("pass_id", "kind", "at", "source")}
        | {"details": dict(one.details)}
        for one in events
    ]
    if rows:
        connection.execute(pass_events.insert(), rows)


def of_member(connection: sa.Connection, member_id: int, limit: int = 100) -> list[Event]:
    """What happened to a member's passes, what was told last first."""
    query = (
        sa.select(*(pass_events.c[name] for name in Event.__dataclass_fields__))
        .join(passes, passes.c.id == pass_events.c.pass_id)
        .where(passes.c.member_id == member_id)
        .order_by(pass_events.c.id.desc())
        .limit(limit)
    )
    return [Event(**row._mapping) for row in connection.execute(query)]


def newest(connection: sa.Connection, pass_ids: Sequence[int], kinds: Sequence[str]) -> datetime | None:
    """When the latest event of these kinds happened to any of these passes; None where there was none."""
    query = sa.select(sa.func.max(pass_events.c.at)).where(
        pass_events.c.pass_id.in_(pass_ids), pass_events.c.kind.in_(kinds)
    )
    return connection.execute(query).scalar()


def turn(connection: sa.Connection, told: Event, status: str, *, wallet: str | None = None) -> None:
    """Record what a wallet did, and what the pass thereby is; `wallet`: where it is now, if that is known.

    A pass that is void or gone stays so, whatever wallets do with it.
    """
    values: dict[str, Any] = {"status": status}
    if status == "installed":
        values["installed_at"] = told.at
    if status == "uninstalled":
        values["wallets"] = []
    elif wallet is not None:
        values["wallets"] = [wallet]
    still = sa.and_(passes.c.id == told.pass_id, passes.c.status.not_in(("invalidated", "gone")))
    connection.execute(passes.update().where(still).values(values))
    add(connection, [told])
