"""What was sent to members before: the messages of other blasts, counted by the database."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from store.schema import blasts, deliveries, members, passes
from store.times import Moment

DAY, WEEK, MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=30)

LAST_SETTLED = timedelta(hours=1)
"""After its end a blast may still hear of deliveries that were on their way."""

past = deliveries.alias("past")
"""Deliveries of other blasts."""


class Past:
    """Messages in other blasts than this one, up to a moment. Its columns are for queries of `Gate.ask`."""

    def __init__(self, at: datetime, own_blast: int | None) -> None:
        self._at, self._own_blast = at, own_blast or 0

    def is_there(self, connection: sa.Connection, program_id: str, span: timedelta) -> bool:
        """Whether the program has other blasts that may have messaged somebody within the span."""
        recent = sa.select(blasts.c.id).where(
            blasts.c.program_id == program_id,
            blasts.c.id != self._own_blast,
            blasts.c.started_at.is_not(None),
            sa.or_(blasts.c.finished_at.is_(None), blasts.c.finished_at > self._at - span - LAST_SETTLED),
        )
        return connection.execute(recent.limit(1)).first() is not None

    def to_member(self, span: timedelta) -> sa.ColumnElement[int]:
        """Messages, sent or on their way. Not passes: one blast is one message, also to a member with two."""
        theirs = passes.alias("theirs")
        source = theirs.join(past, past.c.pass_id == theirs.c.id)
        query = sa.select(sa.func.count(past.c.blast_id.distinct())).select_from(source)
        query = query.where(theirs.c.member_id == members.c.id).correlate(members)
        sent, leaving = (
            query.where(which).scalar_subquery() for which in (self._sent(span), self._leaving())
        )
        return sent + leaving

    def to_pass(self, span: timedelta) -> sa.ColumnElement[int]:
        """Messages that one pass got."""
        query = sa.select(sa.func.count()).where(past.c.pass_id == passes.c.id, self._sent(span))
        return query.correlate(passes).scalar_subquery()

    def last_to_pass(self) -> sa.ColumnElement[datetime | None]:
        """When a pass got its last one, of those in the last month."""
        query = sa.select(sa.func.max(past.c.accepted_at))
        query = query.where(past.c.pass_id == passes.c.id, self._sent(MONTH))
        return query.correlate(passes).scalar_subquery()

    def _sent(self, span: timedelta) -> sa.ColumnElement[bool]:
        """Accepted within the span, in another blast. The state is spelled as the partial index spells it."""
        accepted = sa.text("past.state = 'accepted'")
        since = past.c.accepted_at > sa.literal(self._at - span, Moment)
        return sa.and_(past.c.blast_id != self._own_blast, accepted, since)

    def _leaving(self) -> sa.ColumnElement[bool]:
        open_ones = sa.text("past.state IN ('pending', 'sending')")
        return sa.and_(past.c.blast_id != self._own_blast, open_ones, past.c.state == "sending")
