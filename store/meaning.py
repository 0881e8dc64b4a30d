"""What an expression says, once it is read: tests of fields, joined. And the condition that it comes to.

`store/predicates.py` reads an expression into this, `store/explain.py` says it in words.
"""

from __future__ import annotations

import math
import operator
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from store import past
from store.fields import Column, Condition, Field, Kind, is_missing, reach
from store.times import Moment

Value = str | float | bool | datetime | date
Verb = Literal["=", "<>", "<", "<=", ">", ">=", "in", "between", "like", "is", "missing"]
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Test:
    """One test of one field.

    kind    what the field's value is taken as
    verb    a comparison; `in` has any number of values, `between` two, `missing` none; `is` asks for TRUE or
            FALSE and, unlike `=`, is false where there is no value
    """

    field: Field
    kind: Kind
    verb: Verb
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A function that is true or false by itself.

    name    what it was given: a blast's or an audience's name, nothing for birthday_today()
    found   what that is: the blasts' ids, the audience's condition, the day
    """

    function: str
    name: str
    found: Any


@dataclass(frozen=True, slots=True)
class Not:
    """What must not hold."""

    part: Meaning


@dataclass(frozen=True, slots=True)
class Group:
    """Parts of which all (`and`) or any (`or`) have to hold."""

    join: Literal["and", "or"]
    parts: tuple[Meaning, ...]


Meaning = Test | Call | Not | Group


def condition(meaning: Meaning, dialect: str, now: datetime) -> Condition:
    """The condition on `members` that it comes to. `now` is what facts about the past count from."""
    match meaning:
        case Group(join, parts):
            # In the order of what they cost, since a database asks no further than it has to.
            ordered = [condition(part, dialect, now) for part in sorted(parts, key=_cost)]
            return sa.and_(*ordered) if join == "and" else sa.or_(*ordered)
        case Not(part):
            return sa.not_(condition(part, dialect, now))
        case Call("received", _, ids):
            return past.received(ids)
        case Call("fetched", _, ids):
            return past.fetched(ids)
        case Call("birthday_today", _, day):
            return past.birthday_on(day, dialect)
        case Call(_, _, found):
            # An audience is a set: a member is in it or not, and nothing between.
            return sa.case((found, sa.true()), else_=sa.false()) == sa.true()
        case Test(field, _, "missing"):
            return is_missing(field, dialect, now)
        case Test(field, kind, "<>", values) if field.source == "pass":
            return sa.not_(condition(Test(field, kind, "=", values), dialect, now))
        case Test(field, kind, verb, values) if field.since:
            return reach(field, dialect, now, kind, lambda column: _days(field, column, verb, values, now))
        case Test(field, kind, verb, values):
            return reach(field, dialect, now, kind, lambda column: _holds(column, verb, values, dialect))


def _cost(meaning: Meaning) -> int:
    match meaning:
        case Test(field):
            return ("member", "attribute", "pass", "past").index(field.source)
        case Call(function):
            return 0 if function == "birthday_today" else 3
        case Not(part):
            return _cost(part)
        case Group(_, parts):
            return max(_cost(part) for part in parts)


def _holds(column: Column, verb: Verb, values: Sequence[Value], dialect: str) -> Condition:
    bound = [_bind(value) for value in values]
    if verb == "in":
        return column.in_(bound)
    if verb == "between":
        return column.between(bound[0], bound[1])
    if verb == "is":
        return column.is_(bound[0])
    if verb == "like":
        return _alike(column, str(values[0]), dialect)
    found: Condition = COMPARISONS[verb](column, bound[0])
    return found


def _alike(column: Column, pattern: str, dialect: str) -> Condition:
    # SQLite's LIKE folds A-Z and nothing else; lower() under Postgres's "C" does the same.
    if dialect == "postgresql":
        folded = pattern.translate(str.maketrans(string.ascii_uppercase, string.ascii_lowercase))
        return sa.func.lower(column).like(sa.literal(folded, sa.Text), escape="\\")
    return column.like(sa.literal(pattern, sa.Text), escape="\\")


def _days(field: Field, column: Column, verb: Verb, values: Sequence[Value], now: datetime) -> Condition:
    """A test of the whole days since a moment or date, turned into one of that itself, which an index serves.

    Days since a moment are counted in 24 hours back from `now`, and what lies ahead has -1 and less.
    """
    numbers = [float(value) for value in values if isinstance(value, float)]
    start: Any = now if field.since == "moment" else now.date()

    def least(days: float) -> Condition:
        return column <= _bind(start - timedelta(days=math.ceil(days)))

    def most(days: float) -> Condition:
        if field.since == "date":
            return column >= _bind(start - timedelta(days=math.floor(days)))
        return column > _bind(start - timedelta(days=math.floor(days) + 1))

    def exactly(days: float) -> Condition:
        return sa.and_(least(days), most(days))

    if verb == "in":
        return sa.or_(*map(exactly, numbers))
    if verb == "between":
        return sa.and_(least(numbers[0]), most(numbers[1]))
    tests: dict[str, Callable[[float], Condition]] = {
        "=": exactly,
        "<>": lambda days: sa.not_(exactly(days)),
        ">=": least,
        "<=": most,
        ">": lambda days: least(math.floor(days) + 1),
        "<": lambda days: most(math.ceil(days) - 1),
    }
    return tests[verb](numbers[0])


def _bind(value: Value) -> Column:
    if isinstance(value, bool):
        return sa.true() if value else sa.false()
    if isinstance(value, datetime):
        return sa.literal(value, Moment)
    types: dict[type, Any] = {str: sa.Text, float: sa.Double, date: sa.Date}
    return sa.literal(value, types[type(value)])
