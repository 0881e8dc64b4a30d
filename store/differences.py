"""What changed between two plans of the same audience: who entered, who left, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.ledger import Blast, get
from store.programs import INACTIVE
from store.schema import blasts, deliveries, members, passes
from store.times import Moment, rfc3339

SAMPLE = 5

WHY = {
    "enrolled": "enrolled since",
    "added": "with a pass added since",
    "fits": "meeting the condition now",
    "ended": "with an ended membership",
    "gone": "with a pass that the provider no longer knows",
    "fits_not": "no longer meeting the condition",
}
"""Why a pass entered an audience, or left it."""


@dataclass(frozen=True, slots=True)
class Move:
    """Passes that entered or left: how many, by reason (a key of WHY), and their first members' ids."""

    count: int
    why: dict[str, int]
    sample: list[str]


@dataclass(frozen=True, slots=True)
class Difference:
    """A plan against the one before it.

    now_skipped        passes of both that were to be messaged and are not any more, by the gate's reason
    no_longer_skipped  the reverse, by the reason they were skipped for
    """

    previous: int
    planned_at: datetime
    entered: Move
    left: Move
    now_skipped: dict[str, int]
    no_longer_skipped: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """The difference as the commands print it."""
        moves = {"entered": self.entered, "left": self.left}
        told = {
            name: {"count": one.count, "why": one.why, "sample": one.sample} for name, one in moves.items()
        }
        return {
            "previous": self.previous,
            "planned_at": rfc3339(self.planned_at),
            **told,
            "now_skipped": self.now_skipped,
            "no_longer_skipped": self.no_longer_skipped,
        }


def to_previous(connection: sa.Connection, blast_id: int) -> Difference | None:
    """The plan against the newest earlier one of the same audience; None where there is none."""
    blast = get(connection, blast_id)
    earlier = sa.select(blasts.c.id).where(
        blasts.c.program_id == blast.program_id,
        blasts.c.audience_key == blast.audience_key,
        blasts.c.account == blast.account,
        blasts.c.id < blast_id,
    )
    previous_id = connection.execute(earlier.order_by(blasts.c.id.desc()).limit(1)).scalar()
    return None if previous_id is None else between(connection, get(connection, previous_id), blast)


def between(connection: sa.Connection, previous: Blast, blast: Blast) -> Difference:
    """What changed from one plan to another."""
    since = sa.literal(previous.planned_at, Moment)
    entered = sa.case((members.c.created_at > since, "enrolled"), (passes.c.installed_at > since, "added"))
    left = sa.case((members.c.status.in_(INACTIVE), "ended"), (passes.c.status == "gone", "gone"))
    return Difference(
        previous.id,
        previous.planned_at,
        _move(connection, blast.id, previous.id, sa.func.coalesce(entered, "fits")),
        _move(connection, previous.id, blast.id, sa.func.coalesce(left, "fits_not")),
        _turned(connection, skipped=blast.id, messaged=previous.id),
        _turned(connection, skipped=previous.id, messaged=blast.id),
    )


def _move(connection: sa.Connection, there: int, not_there: int, why: sa.ColumnElement[str]) -> Move:
    """Passes of one plan that the other lacks."""
    one, other = deliveries.alias("one"), deliveries.alias("other")
    same = sa.and_(other.c.blast_id == not_there, other.c.pass_id == one.c.pass_id)
    source = (
        one.outerjoin(other, same)
        .join(passes, passes.c.id == one.c.pass_id)
        .join(members, members.c.id == passes.c.member_id)
    )
    lacking = sa.and_(one.c.blast_id == there, other.c.id.is_(None))
    word = why.label("why")
    counted = sa.select(word, sa.func.count()).select_from(source).where(lacking).group_by(word)
    found = {row[0]: row[1] for row in connection.execute(counted)}
    first = sa.select(members.c.external_id).select_from(source).where(lacking).order_by(one.c.id)
    sample = list(connection.scalars(first.limit(SAMPLE))) if found else []
    return Move(sum(found.values()), {word: found[word] for word in WHY if word in found}, sample)


def _turned(connection: sa.Connection, *, skipped: int, messaged: int) -> dict[str, int]:
    """Passes of both plans that one skips and the other does not, by the reason."""
    no, yes = deliveries.alias("no"), deliveries.alias("yes")
    both = no.join(yes, sa.and_(yes.c.blast_id == messaged, yes.c.pass_id == no.c.pass_id))
    query = (
        sa.select(no.c.reason, sa.func.count())
        .select_from(both)
        .where(no.c.blast_id == skipped, ~_meant(no), no.c.state == "skipped", _meant(yes))
        .group_by(no.c.reason)
        .order_by(sa.func.count().desc(), no.c.reason)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _meant(delivery: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether it was meant to be sent: a cancelled blast's would have been."""
    return sa.or_(delivery.c.state != "skipped", delivery.c.reason == "cancelled")
