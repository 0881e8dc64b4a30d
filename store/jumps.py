"""Moments that a wall clock which was set has left too near or too far ahead.

Leases, backoffs and hearts are moments of the wall clock, since processes and machines share them. Each
step here changes moments only, never a state, and done twice it harms nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from store.ledger import WAITS
from store.schema import blasts, deliveries, workers

SKEW = timedelta(seconds=5)
"""The clocks of machines that share a store may differ by so much, and nothing is put right."""
MINUTE = timedelta(minutes=1)
LONGEST_NIGHT = timedelta(hours=26)
"""Quiet hours end within a day, an hour later where the clocks are changed meanwhile."""


def extend_leases(connection: sa.Connection, account: str, *, until: datetime) -> int:
    """The clock went forward: what is in flight keeps its lease for a while. Returns how many.

    What nobody sends any more, since its worker is dead, is taken back when this lease runs out.
    """
    early = sa.and_(_in_flight(account), deliveries.c.lease_until < until)
    return connection.execute(deliveries.update().where(early).values(lease_until=until)).rowcount


def pull_in(
    connection: sa.Connection, account: str, *, at: datetime, lease: timedelta, longest_wait: timedelta
) -> int:
    """Bring moments that lie farther ahead than any rule puts them to what they would be now.

    lease         how long a claim holds
    longest_wait  the longest that a delivery ever waits for its next try

    Returns how many moments were changed: none, unless the clock went back.
    """
    ours = blasts.c.account == account
    held = sa.and_(ours, blasts.c.state == "held", blasts.c.probe_at > at + MINUTE)
    beaten = sa.and_(workers.c.account == account, workers.c.seen_at > at + SKEW)
    stuck = sa.and_(_in_flight(account), deliveries.c.lease_until > at + lease * 1.5)
    running = _waiting(account, "running")
    # The gate puts off for as long as its rules say, and is asked again then.
    put_off = sa.func.coalesce(deliveries.c.reason, "").in_(WAITS)
    waits = sa.and_(running, ~put_off, deliveries.c.due_at > at + longest_wait + MINUTE)
    # What was not tried yet and not put off never has to wait: a plan makes it due at once.
    untried = sa.and_(
        running,
        ~put_off,
        deliveries.c.due_at > at + SKEW,
        deliveries.c.attempts == deliveries.c.attempts_forgiven,
    )
    quiet = sa.and_(running, deliveries.c.reason == "quiet_hours", deliveries.c.due_at > at + LONGEST_NIGHT)
    return _restart_windows(connection, account, at=at) + sum(
        connection.execute(change).rowcount
        for change in (
            blasts.update().where(held).values(probe_at=at),
            workers.update().where(beaten).values(seen_at=at),
            deliveries.update().where(stuck).values(lease_until=at + lease),
            deliveries.update().where(waits).values(due_at=at + longest_wait),
            deliveries.update().where(sa.or_(untried, quiet)).values(due_at=at),
        )
    )


def shorten_waits(connection: sa.Connection, account: str, *, at: datetime, wait: timedelta) -> int:
    """The clock went back: what waits for its next try does so no longer than `wait` from now."""
    waits = sa.and_(_waiting(account, "running", "paused", "held"), deliveries.c.due_at > at + wait)
    return connection.execute(deliveries.update().where(waits).values(due_at=at + wait)).rowcount


def keep_windows(connection: sa.Connection, account: str, *, at: datetime, jump: timedelta) -> None:
    """The clock went forward: an undo window that was open before stays open for what was left of it."""
    before = at - jump
    cut_short = sa.and_(blasts.c.started_at <= before, blasts.c.sends_from > before)
    for row in _windows(connection, account, cut_short):
        _move_window(connection, row, row.started_at + jump)


def _restart_windows(connection: sa.Connection, account: str, *, at: datetime) -> int:
    """A blast launched in what is now the future has its undo window begin now, as long as it was."""
    found = _windows(connection, account, blasts.c.started_at > at + SKEW)
    for row in found:
        _move_window(connection, row, at)
    return len(found)


def _windows(connection: sa.Connection, account: str, condition: sa.ColumnElement[bool]) -> Sequence[Any]:
    running = blasts.c.state.in_(("running", "paused"))
    query = sa.select(blasts.c.id, blasts.c.started_at, blasts.c.sends_from).order_by(blasts.c.id)
    query = query.where(blasts.c.account == account, running, blasts.c.sends_from.is_not(None), condition)
    return connection.execute(query).all()


def _move_window(connection: sa.Connection, row: Any, starts: datetime) -> None:
    # Where another worker has moved it already, this changes nothing.
    change = blasts.update().where(blasts.c.id == row.id, blasts.c.started_at == row.started_at)
    ends = starts + (row.sends_from - row.started_at)
    connection.execute(change.values(started_at=starts, sends_from=ends))


def _in_flight(account: str) -> sa.ColumnElement[bool]:
    states = ("running", "paused", "held", "cancelled")
    return sa.and_(deliveries.c.blast_id.in_(_blasts(account, *states)), deliveries.c.state == "sending")


def _waiting(account: str, *states: str) -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.blast_id.in_(_blasts(account, *states)), deliveries.c.state == "pending")


def _blasts(account: str, *states: str) -> sa.Select[tuple[int]]:
    return sa.select(blasts.c.id).where(blasts.c.account == account, blasts.c.state.in_(states))
