"""How a list is looked at: by which column it is ordered, and what its columns have to hold.

A list says in one place which columns it has (`COLUMNS` of its module); commands, screens and exports take
them from there.
"""

from __future__ import annotations

import sqlite3
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar

import sqlalchemy as sa

from store.database import among, as_table
from store.errors import UsageError
from store.filters import Column, Condition, Kind, condition, contains
from store.times import Moment, now
from store.view import View

__all__ = ["Column", "Fact", "Held", "View", "check", "conditions", "every_id", "ordering", "pick", "window"]

Thing = TypeVar("Thing")
Columns = Mapping[str, Column]

FAR = 5_000
"""Rows that a database passes over for a page; one further down is found by a list's Held."""
CHUNK = 10_000


class Held:
    """The ids of a long list's rows in their order, 4 bytes each, so that its last page costs as the first.

    One is for one list and one view. It is read when a page far down is asked for, and again after the list's
    length has changed.
    """

    def __init__(self) -> None:
        self._ids: array[int] | None = None

    def page(self, connection: sa.Connection, query: sa.Select[Any], offset: int, limit: int) -> list[int]:
        """The ids of a page."""
        held = self._ids
        if held is None:
            held = self._ids = every_id(connection, query)
        return held[offset : offset + limit].tolist()

    def counted(self, rows: int) -> None:
        """The list was counted; of another length it is not the one that is held."""
        if self._ids is not None and len(self._ids) != rows:
            self._ids = None


def check(columns: Mapping[str, Any], view: View) -> None:
    """Raises UsageError where the view names a column that there is not."""
    for key in (view.order, *(key for key, _ in view.filters)):
        if key and key not in columns:
            raise UsageError(f"there is no column {key!r}: choose from {', '.join(columns)}")


def conditions(
    connection: sa.Connection, columns: Columns, view: View, searched: Sequence[str] = ()
) -> list[Condition]:
    """What the view asks of every row; `searched` are the columns that its search looks into.

    Raises UsageError that names the column, and what can be typed for it.
    """
    check(columns, view)
    dialect, at = connection.dialect.name, now()
    asked = [condition(key, columns[key], typed, dialect=dialect, at=at) for key, typed in view.filters]
    found = [one for one in asked if one is not None]
    if view.search.strip():
        parts = (contains(columns[key].of, view.search.strip(), dialect) for key in searched)
        found.append(sa.or_(*parts))
    return found


def ordering(
    columns: Columns, view: View, own: Sequence[sa.ColumnElement[Any]], tie: sa.ColumnElement[Any]
) -> list[sa.ColumnElement[Any]]:
    """What a query is ordered by: the view's column, rows without a value last, and then `tie`, which no two
    rows share; or the list's `own` order."""
    check(columns, view)
    if not view.order:
        return list(own)
    of = columns[view.order].of
    directed = of.desc() if view.descending else of.asc()
    if getattr(of, "nullable", True):
        directed = directed.nulls_last()
    if of is tie:
        return [directed]
    return [directed, tie.desc() if view.descending else tie.asc()]


def joined(columns: Columns, view: View, searched: Sequence[str] = ()) -> bool:
    """Whether the view asks for what lies in a table that its list has to be joined with."""
    asked = {view.order, *(key for key, typed in view.filters if typed.strip())}
    if view.search.strip():
        asked.update(searched)
    return any(columns[key].joined for key in asked if key in columns)


def window(
    connection: sa.Connection, query: sa.Select[Any], offset: int, limit: int, held: Held | None
) -> list[int]:
    """The ids of one page of a query that gives ids in order."""
    if held is not None and offset >= FAR:
        return held.page(connection, query, offset, limit)
    return list(connection.scalars(query.offset(offset).limit(limit)))


def every_id(connection: sa.Connection, query: sa.Select[Any]) -> array[int]:
    """All ids that a query gives, in its order. They are its first column."""
    if connection.dialect.name == "postgresql":
        # As one value of eight bytes each: in rows of their own a million ids take ten times as long.
        ids, (of, *_) = array("q"), query.cte("ids").prefix_with("MATERIALIZED").c
        sent = sa.func.string_agg(sa.func.int8send(sa.cast(of, sa.BigInteger)), sa.literal(b""))
        ids.frombytes(connection.execute(sa.select(sent)).scalar_one() or b"")
        if sys.byteorder == "little":
            ids.byteswap()
        return _longer(array("I"), ids)
    found = array("I")
    # From the driver itself: rows of a million plain numbers take SQLAlchemy four times as long.
    with connection.execute(query) as result:
        try:
            while rows := result.cursor.fetchmany(CHUNK):
                found = _longer(found, list(map(itemgetter(0), rows)))
        except sqlite3.Error as error:  # which SQLAlchemy has not seen
            raise sa.exc.DatabaseError(str(query), None, error) from error
    return found


def _longer(ids: array[int], some: Sequence[int]) -> array[int]:
    """With some more ids: 4 bytes for each, or 8 once there is one for which they do not do."""
    try:
        ids.extend(array(ids.typecode, some))
    except OverflowError:
        ids = array("q", ids)
        ids.extend(some)
    return ids


def total(connection: sa.Connection, query: sa.Select[Any], held: Held | None) -> int:
    """How many rows a query gives that counts them; `held` hears of it."""
    rows: int = connection.execute(query).scalar_one()
    if held is not None:
        held.counted(rows)
    return rows


def in_order(
    connection: sa.Connection, query: sa.Select[Any], key: sa.ColumnElement[int], ids: Sequence[int]
) -> list[Any]:
    """The query's rows with these ids, in their order; those that are gone meanwhile are left out."""
    rows = {row[0]: row for row in connection.execute(query.where(among(connection, key, ids)))}
    return [rows[id_] for id_ in ids if id_ in rows]


@dataclass(frozen=True, slots=True)
class Fact:
    """A column of a short list that is made in memory: what it is of each of its things."""

    kind: Kind
    of: Callable[[Any], Any]
    words: tuple[str, ...] = ()


TYPES: dict[str, Any] = {
    "text": sa.Text(),
    "word": sa.Text(),
    "number": sa.Float(53),
    "moment": Moment(),
    "boolean": sa.Boolean(),
}
"""How the values of a Fact travel."""


def pick(
    connection: sa.Connection,
    facts: Mapping[str, Fact],
    things: Iterable[Thing],
    view: View,
    searched: Sequence[str] = (),
) -> list[Thing]:
    """Those of a short list that the view shows, in its order: judged by the database, as all others are."""
    listed = list(things)
    check(facts, view)
    if not (view.order or view.filters or view.search):
        return listed
    rows = [[place, *(fact.of(one) for fact in facts.values())] for place, one in enumerate(listed)]
    kinds = {"place ": sa.BigInteger()} | {key: TYPES[fact.kind] for key, fact in facts.items()}
    table = as_table(connection, rows, kinds).subquery()
    columns = {key: Column(fact.kind, table.c[key], fact.words) for key, fact in facts.items()}
    place = table.c["place "]
    query = sa.select(place).where(*conditions(connection, columns, view, searched))
    return [
        listed[number]
        for number in connection.scalars(query.order_by(*ordering(columns, view, [place], place)))
    ]
