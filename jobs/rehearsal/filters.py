"""PassKit's Filters: which rows of a list are wanted, in which order, and which page of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple

from jobs.rehearsal.messages import BOOL, FLOAT, RANGES, TIME, Kind, Message
from jobs.rehearsal.replies import invalid

DEFAULT_LIMIT = 25
ALL = -1
COMPARE = {"eq": eq, "gt": gt, "lt": lt, "gte": ge, "lte": le}

Row = Mapping[str, Any]
Test = Callable[[Row], bool]


class Fields(NamedTuple):
    """The fields of a message that its lists can be filtered and ordered by: name -> path in the message."""

    message: Message
    paths: dict[str, tuple[str, ...]]

    def look_up(self, name: str) -> tuple[Kind, Callable[[Row], Any]]:
        """The kind of a field and the way to its value. `meta.<key>` is one of the free values."""
        prefix, _, key = name.partition(".")
        if prefix == "meta" and key and "metaData" in self.message.fields:
            return "string", lambda row: (row.get("metaData") or {}).get(key, "")
        if name not in self.paths:
            raise invalid(f"unknown filter field: {name!r}")
        path, message = self.paths[name], self.message
        for step in path[:-1]:
            inner = message.fields[step]
            assert isinstance(inner, Message)
            message = inner
        last, default = path[-1], message.empty[path[-1]]
        if len(path) == 1:
            return message.fields[last], lambda row: row.get(last, default)
        return message.fields[last], lambda row: (row.get(path[0]) or {}).get(last, default)


def named(message: Message, names: str) -> Fields:
    """Fields by their names, parted by blanks; `a.b` is a field of a field and can also be called `b`, unless
    another bears that name."""
    paths = {name: tuple(name.split(".")) for name in names.split()}
    short = {path[-1]: path for path in paths.values() if path[-1] not in paths}
    return Fields(message, short | paths)


def select(rows: Sequence[Row], filters: Row, fields: Fields) -> Iterator[Row]:
    """The wanted page. Rows come in the order of their creation, as with `orderBy` created."""
    limit, offset = filters.get("limit") or DEFAULT_LIMIT, filters.get("offset") or 0
    if limit < ALL or offset < 0:
        raise invalid("limit must be -1 or greater, offset 0 or greater")
    found: Iterable[Row] = matching(rows, filters, fields)
    if order := filters.get("orderBy"):
        found = ordered(found, order, ascending=filters.get("orderAsc", False), fields=fields)
    return islice(found, offset, None if limit == ALL else offset + limit)


def ordered(rows: Iterable[Row], name: str, *, ascending: bool, fields: Fields) -> Iterable[Row]:
    kind, value = fields.look_up(name)
    if name == "created":
        return rows if ascending else reversed(list(rows))
    numeric = kind == FLOAT or kind in RANGES
    key = value if numeric else lambda row: str(value(row) or "")
    return sorted(rows, key=key, reverse=not ascending)


def matching(rows: Sequence[Row], filters: Row, fields: Fields) -> Sequence[Row] | Iterator[Row]:
    """The rows that pass every filter group."""
    tests = [group_test(group, fields) for group in filters.get("filterGroups") or []]
    if not tests:
        return rows
    return (row for row in rows if all(test(row) for test in tests))


def group_test(group: Row, fields: Fields) -> Test:
    tests = [field_test(entry, fields) for entry in group.get("fieldFilters") or []]
    if not tests:
        raise invalid("a filter group needs fieldFilters")
    if group.get("condition") == "OR":
        return lambda row: any(test(row) for test in tests)
    return lambda row: all(test(row) for test in tests)


def field_test(entry: Row, fields: Fields) -> Test:
    """One comparison. Lists hold a value or do not (`eq`); `like` finds a part, without regard to case."""
    name, operator, text = (entry.get(key, "") for key in ("filterField", "filterOperator", "filterValue"))
    kind, value = fields.look_up(name)
    if operator not in (*COMPARE, "like"):
        raise invalid(f"unknown filter operator: {operator!r}")
    if not text:
        raise invalid(f"filterValue of {name!r} is required")
    if isinstance(kind, list):
        return lambda row: text in value(row)
    if operator == "like":
        part = text.strip("%").casefold()
        return lambda row: part in str(value(row) or "").casefold()
    compare, wanted, convert = COMPARE[operator], *reading(kind, text, name)
    return lambda row: (found := value(row)) is not None and compare(convert(found), wanted)


def reading(kind: Kind, text: str, name: str) -> tuple[Any, Callable[[Any], Any]]:
    """The filter's text as the field's type, and how the field's values become comparable."""
    try:
        if kind == TIME:
            wanted = datetime.fromisoformat(text)
            if wanted.tzinfo is None:
                raise ValueError("no time zone")
            return wanted, datetime.fromisoformat
        if kind == FLOAT or kind in RANGES:
            return float(text), float
    except ValueError as error:
        raise invalid(f"filterValue {text!r} does not fit {name!r}") from error
    if kind == BOOL:
        if text not in ("true", "false"):
            raise invalid(f"filterValue {text!r} does not fit {name!r}")
        return text == "true", bool
    return text, str
