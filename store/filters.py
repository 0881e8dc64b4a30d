"""What people type for a column of a list, and the condition that it means.

Every kind knows `-` for rows without a value, and `!` before anything for all the other rows, those without
a value among them. The case of A-Z makes no difference but after `=`. Moments and days are UTC. Typed words
become bound values, never SQL text.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from store.errors import UsageError

Kind = Literal["text", "word", "number", "moment", "date", "boolean"]
Condition = sa.ColumnElement[bool]
Span = tuple[Any, Any]
"""The first value that is meant and the last one; of moments, the first one after."""

LONGEST = 500
"""Characters of one column's filter."""
DAYS = "2026-11-22, >2026-11, 2026-11-01..2026-11-07, today, or -7d for the last seven days"
HOW: dict[str, str] = {
    "text": "a part of it, ^its beginning or =the whole",
    "word": "one or several, such as {words}, or =exactly",
    "number": "500, >500, <=500 or 10..20",
    "moment": DAYS,
    "date": DAYS,
    "boolean": "yes or no",
}
"""What can be typed for a column of each kind."""
ALWAYS = "- for none, ! before it for all others"

_SIGN = re.compile(r"(>=|<=|>|<)(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{0,30})?")
_AGO = re.compile(r"([+-])([0-9]{1,6})([mhdw])")
_MOMENT = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:[ T]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?Z?)?)?)?"
)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_ANSWERS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list, by which it can be ordered, and for which something can be typed.

    of      its value
    words   of kind `word`: all that it may be; empty where that is not known
    joined  whether its value lies in a table that only is read where it is asked for
    having  of a text that is put together of several, each in a row elsewhere: what is true where a word is
            in one of them; that is found for all at once, and the whole is put together for each by itself
    """

    kind: Kind
    of: sa.ColumnElement[Any]
    words: tuple[str, ...] = ()
    joined: bool = False
    having: Callable[[str, str], Condition] | None = None

    @property
    def how(self) -> str:
        """What can be typed for it, in words."""
        shown = ",".join(self.words[:2]) or "gold,silver"
        return f"{HOW[self.kind].format(words=shown)}; {ALWAYS}"


def condition(name: str, column: Column, typed: str, *, dialect: str, at: datetime) -> Condition | None:
    """The rows that are meant; None where nothing was typed, and all of them are.

    `dialect` is the connection's, `at` the moment that `today` and `-7d` count from. Raises UsageError that
    says what can be typed for the column called `name`.
    """
    words = typed.replace("\0", "").strip()
    if not words:
        return None
    try:
        words.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{name}: {typed!a} is not valid text") from None
    if len(words) > LONGEST:
        raise UsageError(f"{name}: at most {LONGEST} characters can be typed for a column")
    plain = words.lstrip("! ")
    others = words[: len(words) - len(plain)].count("!") % 2
    try:
        found = _none(column) if plain == "-" else _READERS[column.kind](column, plain, dialect, at)
    except (ValueError, OverflowError):
        known = f"; it may be {', '.join(column.words)}" if column.words else ""
        raise UsageError(f"{name}: {typed.strip()!r} is not understood: type {column.how}{known}") from None
    return sa.not_(sa.func.coalesce(found, sa.false())) if others else found


def contains(column: sa.ColumnElement[Any], text: str, dialect: str, *, starts: bool = False) -> Condition:
    """Whether a text has this one in it, or begins with it; the case of A-Z makes no difference.

    SQLite's LIKE is like that by itself, and three times as fast as one over lower().
    """
    text = text.replace("\0", "").encode(errors="replace").decode()  # what no text in a store can hold
    escaped = text.replace("/", "//").replace("%", "/%").replace("_", "/_")
    pattern = escaped + "%" if starts else f"%{escaped}%"
    if dialect == "sqlite":
        return column.like(pattern, escape="/")
    return sa.func.lower(column.collate("C")).like(_lower(pattern), escape="/")


def _lower(text: str) -> str:
    return "".join(sign.lower() if sign.isascii() else sign for sign in text)


def _none(column: Column) -> Condition:
    empty = column.of.is_(None)
    return sa.or_(empty, column.of == "") if column.kind in ("text", "word") else empty


def _text(column: Column, words: str, dialect: str, _: datetime) -> Condition:
    if words[:1] == "=" and words[1:]:
        return column.of == words[1:]
    starts = words[:1] == "^"
    if not words.strip("=^"):
        raise ValueError
    if column.having is not None and words.isalnum():  # such a word does not reach from one into the next
        return column.having(words, dialect)
    return contains(column.of, words[1:] if starts else words, dialect, starts=starts)


def _word(column: Column, words: str, dialect: str, _: datetime) -> Condition:
    exact = words[:1] == "="
    wanted = [one.strip() for one in words[exact:].split(",") if one.strip()]
    if not wanted:
        raise ValueError
    if not column.words:
        if exact:
            return column.of.in_(wanted)
        return sa.or_(*(contains(column.of, one, dialect, starts=True) for one in wanted))
    fitting: list[str] = []
    for one in wanted:
        known = {word.lower().replace("_", " "): word for word in column.words}
        text = one.lower().replace("_", " ")
        found = [known[text]] if text in known else []
        if not found and not exact:
            found = [word for spelled, word in known.items() if spelled.startswith(text)]
        if not found:
            raise ValueError
        fitting += found
    return column.of.in_(list(dict.fromkeys(fitting)))


def _boolean(column: Column, words: str, _: str, __: datetime) -> Condition:
    meant = {value for word, value in _ANSWERS.items() if word.startswith(words.lower())}
    if len(meant) != 1:
        raise ValueError
    return column.of.is_(sa.true() if meant.pop() else sa.false())


def _number(column: Column, words: str, _: str, __: datetime) -> Condition:
    def read(text: str) -> Span:
        if not _NUMBER.fullmatch(text):
            raise ValueError
        whole = "." not in text and abs(int(text)) < 2**63
        value = sa.literal(int(text), sa.BigInteger) if whole else sa.literal(float(text), sa.Float(53))
        return value, value

    return _ordered(column.of, words, read, through=True)


def _moment(column: Column, words: str, _: str, at: datetime) -> Condition:
    def read(text: str) -> Span:
        if _AGO.fullmatch(text):
            moment = _shifted(at, text)
            return moment, moment
        return _span(text, at)

    if _AGO.fullmatch(words):  # the last seven days, or the next ones
        first, last = sorted((_shifted(at, words), at))
        return sa.and_(column.of >= first, column.of <= last)
    return _ordered(column.of, words, read, through=False)


def _date(column: Column, words: str, _: str, at: datetime) -> Condition:
    def read(text: str) -> Span:
        if _AGO.fullmatch(text):
            day = _day(text)
            return day, day
        if ":" in text:
            raise ValueError
        first, after = _span(text, at)
        return first.date(), (after - timedelta(microseconds=1)).date()

    def _day(text: str) -> date:
        if text[-1] not in "dw":
            raise ValueError
        return _shifted(at, text).date()

    if _AGO.fullmatch(words):
        first, last = sorted((_day(words), at.date()))
        return column.of.between(first, last)
    return _ordered(column.of, words, read, through=True)


def _ordered(
    column: sa.ColumnElement[Any], words: str, read: Callable[[str], Span], *, through: bool
) -> Condition:
    """`>a`, `a..b`, `a..`, `..b` or `a`. `through`: the end of a span still belongs to it."""
    until, beyond = (operator.le, operator.gt) if through else (operator.lt, operator.ge)
    if signed := _SIGN.fullmatch(words):
        first, last = read(signed[2].strip())
        tests = {
            ">": (beyond, last),
            ">=": (operator.ge, first),
            "<": (operator.lt, first),
            "<=": (until, last),
        }
        test, value = tests[signed[1]]
        return sa.and_(test(column, value))
    low, dots, high = (part.strip() for part in words.partition(".."))
    if not (low or high):
        raise ValueError
    if not dots and (first := read(low))[0] is first[1]:
        return sa.and_(column == first[0])  # two bounds would look through a whole index for one value
    bounds = [column >= read(low)[0]] if low else []
    if high or not dots:
        bounds.append(until(column, read(high or low)[1]))
    return sa.and_(*bounds)


def _span(text: str, at: datetime) -> Span:
    """From the first moment of a year, month, day, minute or second to the first one after it."""
    if text.lower() in _DAYS:
        first = datetime(at.year, at.month, at.day, tzinfo=UTC) + timedelta(days=_DAYS[text.lower()])
        return first, first + timedelta(days=1)
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError
    year, month, day, hour, minute, second = (None if one is None else int(one) for one in found.groups())
    first = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=UTC)
    if month is None:
        return first, first.replace(year=first.year + 1)
    if day is None:
        return first, (first + timedelta(days=31)).replace(day=1)
    unit = "days" if hour is None else "minutes" if second is None else "seconds"
    return first, first + timedelta(**{unit: 1})


def _shifted(at: datetime, text: str) -> datetime:
    """The moment so long before or after this one: `-7d`, `+2h`."""
    sign, number, unit = text[0], text[1:-1], text[-1]
    span = timedelta(**{_UNITS[unit]: int(number)})
    return at - span if sign == "-" else at + span


_READERS: dict[str, Callable[[Column, str, str, datetime], Condition]] = {
    "text": _text,
    "word": _word,
    "number": _number,
    "moment": _moment,
    "date": _date,
    "boolean": _boolean,
}
