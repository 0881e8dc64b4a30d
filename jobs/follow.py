"""A blast looked at until it rests: for a watching command and the demo."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from store import ledger, workers
from store.database import Database
from store.ledger import Blast, Tally
from store.times import now

RESTING = ("finished", "cancelled", "held", "paused", "missed")
"""States in which nothing is sent. `held` may end by itself, when the provider is back."""


@dataclass(frozen=True, slots=True)
class Look:
    """A blast at one moment.

    workers  how many workers of its account are alive
    rate     deliveries settled a second, since the look before
    waits    seconds until its undo window ends or its schedule's moment comes; 0 where it waits for neither
    """

    blast: Blast
    tally: Tally
    workers: int
    rate: float
    waits: float

    @property
    def settled(self) -> int:
        """Deliveries that have come to an end."""
        return self.tally.planned - self.tally.open


def follow(
    database: Database, blast_id: int, *, every: float = 0.5, until: tuple[str, ...] = RESTING
) -> Iterator[Look]:
    """Look each `every` seconds until the blast is in one of the states `until`; the last look shows it."""
    before: tuple[float, int] | None = None
    while True:
        with database.read() as connection:
            blast = ledger.get(connection, blast_id)
            tally = ledger.tally(connection, blast_id)
            living = len(workers.alive(connection, blast.account))
        at, settled = time.monotonic(), tally.planned - tally.open
        rate = (settled - before[1]) / (at - before[0]) if before else 0.0
        before = (at, settled)
        yield Look(blast, tally, living, max(rate, 0.0), _waits(blast))
        if blast.state in until:
            return
        time.sleep(every)


def _waits(blast: Blast) -> float:
    if blast.state == "scheduled" and blast.send_at is not None:
        return max((blast.send_at - now()).total_seconds(), 0.0)
    return blast.undo_left(now())
