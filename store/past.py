"""What a program's past says of its members: when they last did something, and what they were sent.

Each is a column for queries on `members`, computed from the member's passes and what was accepted for them.
All of a provider's moments and ours are compared as they are; no clock is corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from store import zones
from store.schema import arrivals, blasts, deliveries, members, passes, programs
from store.times import Moment

RECENT = timedelta(days=30)
"""What `messages_30d` looks back."""

OURS_BEFORE, OURS_AFTER = 600, 60
"""Seconds before and after `shown_at` within which an `updated_at` is taken as our own message's doing.

PassKit notes the update before its answer reaches us, and we note the answer with others of its batch.
"""

Column = sa.ColumnElement[Any]
Condition = sa.ColumnElement[bool]
_ACCEPTED = deliveries.c.state == sa.literal_column("'accepted'")
"""Spelled out: with a bound value SQLite does not see that the index of accepted deliveries serves."""


def fact(name: str, dialect: str, now: datetime) -> Any:
    """The fact of that name: a column, or what is compared as a column is.

    last_activity    the latest of what the member or the provider did: enrolled, updated, installed a pass.
                     Our own message makes PassKit note an update too; an update at about the time when we
                     put a text onto one of the passes is ours and does not count, and what it covers up is
                     not known any more. NULL where nothing is known.
    messages_30d     deliveries to the member's passes that were accepted in the last 30 days; 0 without any
    last_message_at  when the last of all was accepted; NULL without any
    """
    if name == "messages_30d":
        return _of_messages(sa.func.count(), deliveries.c.accepted_at > sa.literal(now - RECENT, Moment))
    if name == "last_message_at":
        return _of_messages(sa.func.max(deliveries.c.accepted_at))
    return _LastActivity(dialect)


def received(blast_ids: Sequence[int]) -> Condition:
    """True where a message of one of these blasts was accepted for a pass of the member; never NULL."""
    own = passes.alias()
    # One inside the other: of a join, SQLite would go through all of a blast's deliveries for each member.
    sent = sa.exists().where(
        deliveries.c.blast_id.in_(blast_ids), deliveries.c.pass_id == own.c.id, _ACCEPTED
    )
    return sa.exists().where(own.c.member_id == members.c.id, sent.correlate(own)).correlate(members)


def fetched(blast_ids: Sequence[int]) -> Condition:
    """True where a phone has fetched one of the member's passes with the message of one of these blasts."""
    own = passes.alias()
    seen = (
        sa.exists()
        .where(arrivals.c.pass_id == own.c.id, arrivals.c.fetched_at.is_not(None))
        .where(deliveries.c.id == arrivals.c.delivery_id, deliveries.c.blast_id.in_(blast_ids), _ACCEPTED)
    )
    return sa.exists().where(own.c.member_id == members.c.id, seen.correlate(own)).correlate(members)


def birthday_on(day: date, dialect: str) -> Condition:
    """True where the birthday is kept on that day; NULL where it is not known.

    Who was born on 29 February keeps it on the 28th in other years.
    """
    days = [f"{day:%m-%d}"]
    if days == ["02-28"] and (day + timedelta(days=1)).month == 3:
        days.append("02-29")
    if dialect == "postgresql":
        return sa.func.to_char(members.c.birthday, "MM-DD").in_(days)
    return sa.func.strftime("%m-%d", members.c.birthday).in_(days)


def today(connection: sa.Connection, program_id: str, now: datetime) -> date:
    """The day it is in the program's time zone; in UTC where it has none that is known."""
    name = connection.execute(sa.select(programs.c.time_zone).where(programs.c.id == program_id)).scalar()
    return now.astimezone(zones.zone(name) or UTC).date()


def blast_ids(connection: sa.Connection, program_id: str, *, by_id: bool = False) -> dict[str, list[int]]:
    """The ids of the program's blasts, by name; several may bear one name.

    `by_id`: a number that is nobody's name means the blast with that id.
    """
    query = sa.select(blasts.c.name, blasts.c.id).where(blasts.c.program_id == program_id)
    found: dict[str, list[int]] = {}
    for name, id_ in connection.execute(query.order_by(blasts.c.id)):
        found.setdefault(name, []).append(id_)
    return {str(id_): [id_] for ids in found.values() for id_ in ids} | found if by_id else found


def _of_messages(figure: Column, *conditions: Condition) -> Column:
    own = passes.alias()
    query = sa.select(figure).select_from(own).join(deliveries, deliveries.c.pass_id == own.c.id)
    query = query.where(own.c.member_id == members.c.id, _ACCEPTED, *conditions)
    return query.correlate(members).scalar_subquery()


class _LastActivity:
    """The latest of several moments, compared one by one: most members are told by the first.

    To compute the latest itself takes five times as long.
    """

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect

    def __ge__(self, moment: Column) -> Condition:
        return self._any(lambda one: one >= moment)

    def __gt__(self, moment: Column) -> Condition:
        return self._any(lambda one: one > moment)

    def __le__(self, moment: Column) -> Condition:
        return sa.not_(self > moment)

    def __lt__(self, moment: Column) -> Condition:
        return sa.not_(self >= moment)

    def __eq__(self, moment: Column) -> Condition:  # type: ignore[override]
        return self.between(moment, moment)

    def __ne__(self, moment: Column) -> Condition:  # type: ignore[override]
        return sa.not_(self.between(moment, moment))

    def between(self, low: Column, high: Column) -> Condition:
        return sa.and_(self >= low, self <= high)

    def in_(self, moments: Sequence[Column]) -> Condition:
        return sa.or_(*(self.between(moment, moment) for moment in moments))

    def is_(self, _none: None) -> Condition:
        """True where nothing is known."""
        return sa.not_(self._one(lambda one: one.is_not(None)))

    def _any(self, test: Callable[[Column], Condition]) -> Condition:
        return sa.case((self._one(test), sa.true()), (sa.not_(self.is_(None)), sa.false())) == sa.true()

    def _one(self, test: Callable[[Column], Condition]) -> Condition:
        """True where one of the moments fits, else false and never NULL."""
        own = passes.alias()
        # A number, not every column: then the index alone is read.
        installed = sa.select(sa.literal(1)).where(own.c.member_id == members.c.id, test(own.c.installed_at))
        created, updated = members.c.created_at, members.c.updated_at
        return sa.or_(
            sa.and_(created.is_not(None), test(created)),
            sa.and_(updated.is_not(None), test(updated), sa.not_(self._ours())),
            installed.correlate(members).exists(),
        )

    def _ours(self) -> Condition:
        """True where the provider's `updated_at` is about a moment when we changed one of the passes."""
        own = passes.alias()
        window = sa.exists().where(
            own.c.member_id == members.c.id,
            members.c.updated_at >= _second(own.c.shown_at, -OURS_BEFORE, self._dialect),
            members.c.updated_at < _second(own.c.shown_at, OURS_AFTER + 1, self._dialect),
        )
        return window.correlate(members)


def _second(moment: Column, shift: int, dialect: str) -> Column:
    """The whole second that a moment lies in, shifted: cut, since SQLite would round to milliseconds."""
    if dialect == "postgresql":
        return sa.func.date_trunc("second", moment) + sa.literal(timedelta(seconds=shift), sa.Interval)
    whole = sa.func.substr(sa.type_coerce(moment, sa.Text), 1, 19)
    return sa.func.strftime("%Y-%m-%d %H:%M:%S", whole, f"{shift:+} seconds", type_=Moment)
