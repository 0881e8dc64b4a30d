"""The wall clock, watched by one that never jumps: whoever sets it, what is on its way is not disturbed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from store import jumps
from store.settings import Settings
from store.times import now

log = logging.getLogger("passbell")

JUMP = 5.0
"""Seconds by which the two clocks have to part before the wall clock counts as set."""
LONGEST_WAIT = 3_600.0
"""Seconds: no provider's Retry-After is heeded for longer."""


class Clock:
    """Both clocks. `wall` and `steady` are the machine's, except in tests."""

    def __init__(
        self, wall: Callable[[], datetime] = now, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._before: tuple[datetime, float] | None = None
        self._jump = 0.0

    def look(self) -> datetime:
        """The moment. Notes where the wall clock was set since the look before.

        A machine that slept shows as a jump forward: the steady clock sleeps too.
        """
        at, steady = self._wall(), self._steady()
        if self._before is not None:
            drift = (at - self._before[0]).total_seconds() - (steady - self._before[1])
            self._jump += drift if abs(drift) > JUMP else 0.0
        self._before = at, steady
        return at

    def put_right(self, connection: sa.Connection, settings: Settings, at: datetime) -> None:
        """Put right what the clock has left too near or too far; has to come before leases are taken back.

        What is found here stays noted until `forget`, since this transaction may fail.
        """
        engine, account = settings.engine, settings.account
        lease = timedelta(seconds=engine.lease_seconds)
        jump = timedelta(seconds=self._jump)
        if self._jump > 0:
            kept = jumps.extend_leases(connection, account, until=at + lease)
            jumps.keep_windows(connection, account, at=at, jump=jump)
            log.warning(
                "the clock went forward by %s: %d deliveries in flight keep their time", _told(jump), kept
            )
        changed = 0
        if self._jump < 0:
            wait = timedelta(seconds=engine.backoff_ceiling_seconds)
            changed += jumps.shorten_waits(connection, account, at=at, wait=wait)
        longest = timedelta(seconds=max(engine.backoff_ceiling_seconds, LONGEST_WAIT))
        changed += jumps.pull_in(connection, account, at=at, lease=lease, longest_wait=longest)
        if self._jump < 0:
            log.warning("the clock went back by %s: %d moments were brought nearer", _told(-jump), changed)
        elif changed:
            log.warning("%d moments lay too far ahead, by a wrong clock, and were brought nearer", changed)

    def forget(self) -> None:
        """What was put right is kept: the next jump counts anew."""
        self._jump = 0.0


def _told(jump: timedelta) -> str:
    return f"{jump.total_seconds():,.0f} s"
