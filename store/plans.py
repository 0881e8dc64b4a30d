"""A plan's rows: the blast, a delivery for each pass, and the hash over both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.ledger import WAITS, Blast, get
from store.schema import blasts, deliveries
from store.times import Moment


def create(
    connection: sa.Connection,
    *,
    account: str,
    program_id: str,
    name: str,
    text: str,
    message_key: str,
    audience: str,
    audience_key: str | None = None,
    purpose: str = "marketing",
    category: str | None = None,
    rules: Mapping[str, Any] | None = None,
    send_at: datetime | None = None,
    urgent: bool = False,
    at: datetime,
) -> int:
    """A new blast, planned, with nobody in it yet. Returns its id."""
    insert = (
        blasts.insert()
        .values(
            account=account,
            program_id=program_id,
            name=name,
            text=text,
            message_key=message_key,
            audience=audience,
            audience_key=audience_key,
            purpose=purpose,
            category=category,
            rules=rules,
            send_at=send_at,
            urgent=urgent,
            state="planned",
            plan_hash="",
            planned_at=at,
        )
        .returning(blasts.c.id)
    )
    return int(connection.execute(insert).scalar_one())


def freeze(connection: sa.Connection, blast_id: int, asked: sa.Select[Any], *, at: datetime) -> None:
    """One INSERT ... SELECT: a delivery for each pass, pending, pending and put off, or skipped.

    `asked` has the columns pass_id, channel, reason (NULL: may be messaged), until (of a reason in WAITS)
    and verdict.
    """
    rows = asked.subquery()
    due_at = sa.func.coalesce(rows.c.until, sa.literal(at, Moment()))
    pending = sa.or_(rows.c.reason.is_(None), rows.c.reason.in_(WAITS))
    columns: dict[str, sa.ColumnElement[Any]] = {
        "blast_id": sa.literal(blast_id),
        "pass_id": rows.c.pass_id,
        "channel": rows.c.channel,
        "state": sa.case((pending, "pending"), else_="skipped"),
        "reason": rows.c.reason,
        "verdict": rows.c.verdict,
        "attempts": sa.literal(0),
        "attempts_forgiven": sa.literal(0),
        "due_at": sa.case((pending, due_at), else_=sa.null()),
    }
    connection.execute(deliveries.insert().from_select(list(columns), sa.select(*columns.values())))


def write_texts(connection: sa.Connection, texts: Mapping[int, str], skipped: Mapping[int, str]) -> None:
    """Members' own texts for a plan's pending deliveries; those that cannot have one are skipped."""
    this = deliveries.c.id == sa.bindparam("delivery")
    if texts:
        connection.execute(
            deliveries.update().where(this).values(text=sa.bindparam("own")),
            [{"delivery": delivery_id, "own": text} for delivery_id, text in texts.items()],
        )
    if skipped:
        change: dict[str, Any] = {"reason": sa.bindparam("why"), "verdict": sa.bindparam("phone")}
        connection.execute(
            deliveries.update().where(this).values(state="skipped", due_at=None, **change),
            [
                {"delivery": delivery_id, "why": why, "phone": "silent" if why == "same_text" else "nothing"}
                for delivery_id, why in skipped.items()
            ],
        )


def seal(connection: sa.Connection, blast_id: int) -> Blast:
    """Write the hash over set and text: what was confirmed is what is sent."""
    digest = hashlib.sha256(get(connection, blast_id).text.encode())
    # Spelled out by the database: a million rows as one string each take half the time of their columns.
    spelled = (
        sa.cast(deliveries.c.pass_id, sa.Text)
        + " "
        + deliveries.c.state
        + sa.func.coalesce(" " + deliveries.c.text, "")
    )
    rows = connection.scalars(
        sa.select(spelled).where(deliveries.c.blast_id == blast_id).order_by(deliveries.c.pass_id)
    )
    for partition in rows.partitions(10_000):
        digest.update("\0".join(partition).encode() + b"\0")
    connection.execute(blasts.update().where(blasts.c.id == blast_id).values(plan_hash=digest.hexdigest()))
    return get(connection, blast_id)
