"""What is known of our own passes of a member, or of a program, for people and programs to read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store import members as member_store
from store import pass_events
from store.database import among
from store.schema import arrivals, devices, issued, members, passes, pushes_due, registrations
from store.times import rfc3339

PAGE = 500
EVENTS = 20

_COLUMNS = (
    passes.c.id,
    members.c.external_id,
    *(
        passes.c[name]
        for name in ("channel", "provider_id", "status", "installed_at", "shown_text", "shown_at")
    ),
    *(issued.c[name] for name in ("serial", "tag", "changed_at", "placed_at", "at")),
)


def of_member(connection: sa.Connection, program_id: str, external_id: str) -> list[dict[str, Any]]:
    """The passes of ours that a member has, by channel; each with its `id` here beside what people may see.

    Raises UsageError where there is no such member.
    """
    member = member_store.get(connection, program_id, external_id)
    rows = connection.execute(_query(program_id).where(passes.c.member_id == member.id)).all()
    return [_told(row) | _reached(connection, row.id) for row in rows]


def events(connection: sa.Connection, program_id: str, external_id: str, limit: int) -> list[dict[str, Any]]:
    """What happened to a member's passes, the last first, and to which of them: its `channel`.

    Raises UsageError where there is no such member.
    """
    member = member_store.get(connection, program_id, external_id)
    mine = sa.select(passes.c.id, passes.c.channel).where(passes.c.member_id == member.id)
    channels = dict(connection.execute(mine).all())
    happened = pass_events.of_member(connection, member.id, limit)
    return [{"channel": channels[event.pass_id], **event.as_json()} for event in happened]


def page(connection: sa.Connection, program_id: str, limit: int) -> Iterator[dict[str, Any]]:
    """The passes of a program, in the order they were issued."""
    last = 0
    while limit > 0:
        query = _query(program_id).where(passes.c.id > last).limit(min(PAGE, limit))
        rows = connection.execute(query).all()
        if not rows:
            return
        counts = _devices(connection, [row.id for row in rows])
        for row in rows:
            yield _told(row) | {"devices": counts.get(row.id, 0)}
        last, limit = rows[-1].id, limit - len(rows)


def count(connection: sa.Connection, program_id: str) -> int:
    """How many passes of ours a program has."""
    ours = sa.select(sa.func.count()).select_from(passes.join(issued, issued.c.pass_id == passes.c.id))
    return connection.execute(ours.where(passes.c.program_id == program_id)).scalar_one()


def _query(program_id: str) -> sa.Select[Any]:
    return (
        sa.select(*_COLUMNS)
        .join(issued, issued.c.pass_id == passes.c.id)
        .join(members, members.c.id == passes.c.member_id)
        .where(passes.c.program_id == program_id)
        .order_by(passes.c.id)
    )


def _told(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "external_id": row.external_id,
        "channel": row.channel,
        "serial": row.serial,
        "provider_id": row.provider_id,
        "status": row.status,
        "tag": row.tag,
        "issued_at": rfc3339(row.at),
        "changed_at": rfc3339(row.changed_at),
        "placed": None if row.channel == "apple" else row.placed_at is not None,
        "installed_at": rfc3339(row.installed_at),
        "shown_text": row.shown_text,
        "shown_at": rfc3339(row.shown_at),
    }


def _reached(connection: sa.Connection, pass_id: int) -> dict[str, Any]:
    """Who has the pass, and what they have heard of it."""
    seen = (
        sa.select(sa.func.count(), sa.func.max(devices.c.seen_at))
        .select_from(registrations.join(devices, devices.c.id == registrations.c.device_id))
        .where(registrations.c.pass_id == pass_id)
    )
    number, seen_at = connection.execute(seen).one()
    fetched: datetime | None = connection.scalar(
        sa.select(sa.func.max(arrivals.c.fetched_at)).where(arrivals.c.pass_id == pass_id)
    )
    due = connection.execute(sa.select(pushes_due).where(pushes_due.c.pass_id == pass_id)).one_or_none()
    return {
        "devices": number,
        "device_seen_at": rfc3339(seen_at),
        "message_fetched_at": rfc3339(fetched),
        "push_due": due is not None,
    }


def _devices(connection: sa.Connection, pass_ids: list[int]) -> dict[int, int]:
    query = (
        sa.select(registrations.c.pass_id, sa.func.count())
        .where(among(connection, registrations.c.pass_id, pass_ids))
        .group_by(registrations.c.pass_id)
    )
    return dict(connection.execute(query).all())
