"""How fast a blast goes, and what failed when: read from its batches' counters, never from its deliveries.

A blast of a million messages has some ten thousand batches, so all of this is read in milliseconds, in a
screen that was opened a moment ago as in one that has watched from the start. What a batch's worker has not
finished counts when it was claimed, as far as it was settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from store.schema import batches
from store.times import rfc3339

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400, 604_800)
"""Seconds that a part of the plot may take."""
MOST_PARTS = 120
NEWEST = 1_000
"""Latency is taken over so many settled batches, the newest."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from a batch's claim to the answer to its last message, over `batches` of them.

    Percentiles are of messages: half of them were in batches that took no longer than `p50`. A single
    message was answered no later than its batch.
    """

    p50: float
    p95: float
    p99: float
    batches: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """One batch, or several claimed one after the other: `first` and `last` are their ids.

    `failed` is what failed in them then; what was tried again since counts in later batches, too.
    `worst` is the share that failed in the worst of them, None while nothing of them is settled.
    """

    first: int
    last: int
    batches: int
    size: int
    accepted: int
    failed: int
    worst: float | None


@dataclass(frozen=True, slots=True)
class Throughput:
    """A blast over its time: parts of `step` seconds from `since` on, None where nothing was claimed yet.

    `done` is what was settled in each part, accepted or failed; `failed` how much of that failed.
    """

    since: datetime | None
    step: int
    done: Sequence[int]
    failed: Sequence[int]
    latency: Latency | None
    strip: Sequence[Stretch]

    @property
    def fastest(self) -> float:
        """Messages a second in the fastest part."""
        return max(self.done, default=0) / self.step

    def as_json(self) -> dict[str, Any]:
        """As the commands print it."""
        late = self.latency
        return {
            "since": rfc3339(self.since),
            "step_seconds": self.step,
            "done": list(self.done),
            "failed": list(self.failed),
            "latency": late and {"p50": late.p50, "p95": late.p95, "p99": late.p99, "batches": late.batches},
            "batches": [
                {name: getattr(one, name) for name in ("first", "last", "batches", "size", "accepted")}
                | {"failed": one.failed, "worst": one.worst}
                for one in self.strip
            ],
        }


def throughput(connection: sa.Connection, blast_id: int, *, parts: int = MOST_PARTS) -> Throughput:
    """A blast's pace over its time, its latency, and its batches in at most so many stretches."""
    ended = sa.func.coalesce(batches.c.settled_at, batches.c.claimed_at)
    extent = sa.select(sa.func.min(batches.c.claimed_at), sa.func.max(ended))
    since, until = connection.execute(extent.where(batches.c.blast_id == blast_id)).one()
    if since is None:
        return Throughput(None, 1, (), (), None, ())
    until = max(since, until)  # a clock that was set back
    step = step_for((until - since).total_seconds(), parts)
    begin = int(since.timestamp()) // step * step
    done, failed = _over_time(connection, blast_id, ended, begin, int(until.timestamp()), step)
    late, strip = _latency(connection, blast_id), _strip(connection, blast_id, parts)
    return Throughput(datetime.fromtimestamp(begin, UTC), step, done, failed, late, strip)


def worst_batch(connection: sa.Connection, blast_id: int, stretch: Stretch) -> int:
    """The batch of a stretch in which most failed; the first of them where several are as bad."""
    there = (batches.c.blast_id == blast_id, batches.c.id.between(stretch.first, stretch.last))
    query = sa.select(batches.c.id).where(*there).order_by(batches.c.failed.desc(), batches.c.id).limit(1)
    return int(connection.execute(query).scalar_one())


def step_for(seconds: float, parts: int) -> int:
    """The shortest step in which so long a time has at most so many parts."""
    fitting = (step for step in STEPS if seconds / step + 1 < parts)
    return next(fitting, int(seconds / max(parts - 1, 1)) + 1)


def _over_time(
    connection: sa.Connection, blast_id: int, at: sa.ColumnElement[Any], begin: int, end: int, step: int
) -> tuple[list[int], list[int]]:
    # As a number with a fraction, which it is in Postgres: so both databases round it down.
    place = (sa.type_coerce(sa.extract("epoch", at), sa.Numeric) - begin) // step
    accepted, wrong = (sa.func.sum(batches.c[name]) for name in ("accepted", "failed"))
    query = sa.select(place.label("place"), accepted, wrong).where(batches.c.blast_id == blast_id)
    count = (end - begin) // step + 1
    done, failed = [0] * count, [0] * count
    for part, well, badly in connection.execute(query.group_by("place")):
        where = min(max(int(part), 0), count - 1)
        done[where] += int(well + badly)
        failed[where] += int(badly)
    return done, failed


def _latency(connection: sa.Connection, blast_id: int) -> Latency | None:
    query = (
        sa.select(batches.c.claimed_at, batches.c.settled_at, batches.c.size)
        .where(batches.c.blast_id == blast_id, batches.c.settled_at.is_not(None), batches.c.size > 0)
        .order_by(batches.c.id.desc())
        .limit(NEWEST)
    )
    took = sorted(
        (max((settled - claimed).total_seconds(), 0.0), size)
        for claimed, settled, size in connection.execute(query)
    )
    if not took:
        return None
    p50, p95, p99 = (percentile(took, share) for share in (0.5, 0.95, 0.99))
    return Latency(p50, p95, p99, len(took))


def percentile(ordered: Sequence[tuple[float, int]], share: float) -> float:
    """The value that this share of all does not exceed; pairs of a value and how many have it."""
    rest = share * sum(size for _, size in ordered)
    for value, size in ordered:
        rest -= size
        if rest <= 0:
            return value
    return ordered[-1][0]


def _strip(connection: sa.Connection, blast_id: int, parts: int) -> list[Stretch]:
    place = sa.func.ntile(parts).over(order_by=batches.c.id).label("place")
    mine = sa.select(batches, place).where(batches.c.blast_id == blast_id).subquery()
    settled = mine.c.accepted + mine.c.failed + mine.c.returned
    share = sa.case((settled > 0, mine.c.failed * 1.0 / settled))
    sums = (sa.func.sum(mine.c[name]) for name in ("size", "accepted", "failed"))
    ids = (sa.func.min(mine.c.id), sa.func.max(mine.c.id), sa.func.count())
    query = sa.select(*ids, *sums, sa.func.max(share)).group_by(mine.c.place).order_by(mine.c.place)
    return [
        Stretch(first, last, count, int(size), int(well), int(badly), None if worst is None else float(worst))
        for first, last, count, size, well, badly, worst in connection.execute(query)
    ]
