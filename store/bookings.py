"""Google's budget of alerts: booked before they are sent, since an answer may be lost."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from store.database import lock_rows
from store.schema import alert_bookings, passes

ALERTS_A_DAY = 3
"""Alerts that Google gives one pass in 24 hours (its guide to push notifications; it may give fewer)."""
SPAN = timedelta(hours=24)
"""A window that rolls: whether Google's does is not documented, and this one fits inside any day, too."""


def book(connection: sa.Connection, delivery_id: int, pass_id: int, at: datetime) -> bool:
    """Take one of the pass's alerts for a delivery; False: they are spent.

    A repeat of the same delivery keeps its booking. One that is older than the span is made anew, since
    a repeat now would be one of today's.
    """
    # The pass's row is what two workers meet at: neither counts while the other one books.
    lock_rows(connection, passes.c.id, [pass_id])
    booked = alert_bookings.c
    recent = (
        sa.select(booked.delivery_id)
        .where(booked.pass_id == pass_id, booked.at > at - SPAN)
        .order_by(booked.id)
    )
    taken = connection.execute(recent).scalars().all()
    if delivery_id in taken:
        return True
    if len(taken) >= ALERTS_A_DAY:
        return False
    connection.execute(alert_bookings.delete().where(booked.delivery_id == delivery_id))
    connection.execute(alert_bookings.insert().values(pass_id=pass_id, delivery_id=delivery_id, at=at))
    return True
