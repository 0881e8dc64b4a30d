"""The catalogue: for each field of a program how many members have it, and which values are common.

Counted after an import, its undo and a sync, so that completion, errors and the builder need not count.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from store import views
from store.database import Database
from store.fields import BUILT_IN, MOST_ATTRIBUTES, Field, fields_of, find
from store.schema import catalogue, members, passes
from store.times import now
from store.views import Fact, View

LOOKED_AT = 20_000
"""Members that are counted of a larger program, spread over it."""
CHUNK = 5_000
TOP = 10
LONGEST_VALUE = 80
MOST_VALUES = 2_000
"""A field with more different values than these has no common ones worth keeping."""
MOST_KEYS = 2_000
"""Attributes beyond these are not counted; names that are one member's alone are none."""
TELLING = ("tier", "status", "locale", "time_zone", "points", "points_balance", "tier_points", "opted_out")
"""Columns whose values are counted. Names, e-mails, phones and ids are personal and stay out."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a field.

    filled   of the `members` that were looked at, how many have a value; what is computed from the past of
             a member is not counted, and `members` is 0
    top      up to ten values that at least two of them share, with how many do, the commonest first
    """

    name: str
    type: str
    source: str
    filled: int
    members: int
    top: tuple[tuple[Any, int], ...]
    at: datetime

    @property
    def share(self) -> float | None:
        """The part of the members that have a value, 0 to 1; None where that was not counted."""
        return round(self.filled / self.members, 4) if self.members else None

    def as_json(self) -> dict[str, Any]:
        """The field as the commands print it."""
        told = {"name": self.name, "type": self.type, "source": self.source}
        counts = {"filled": self.filled, "members": self.members, "share": self.share}
        return told | counts | {"top": [list(pair) for pair in self.top]}


FACTS: dict[str, Fact] = {
    "name": Fact("text", lambda entry: entry.name),
    "type": Fact("word", lambda entry: entry.type, ("text", "number", "boolean", "moment", "date", "any")),
    "source": Fact("word", lambda entry: entry.source, ("member", "pass", "attribute", "past")),
    "filled": Fact("number", lambda entry: entry.filled),
    "share": Fact("number", lambda entry: entry.share),
    "top": Fact("text", lambda entry: ", ".join(str(value) for value, _ in entry.top)),
}
"""The columns of a list of fields."""


def of(
    connection: sa.Connection,
    program_id: str,
    *,
    view: View = View(),  # noqa: B008 (it never changes)
) -> list[Entry]:
    """The catalogue of a program by name or as the view has it, as last counted; empty where it never was."""
    query = sa.select(catalogue).where(catalogue.c.program_id == program_id)
    rows = sorted((_entry(row) for row in connection.execute(query)), key=lambda entry: entry.name)
    return views.pick(connection, FACTS, rows, view, ("name", "top"))


def fresh(database: Database, program_id: str) -> list[Entry]:
    """The same; counted now where it never was, but not by whoever may only read."""
    with database.read() as connection:
        found = of(connection, program_id)
    if found or not database.may_write:
        return found
    with database.write() as connection:
        refresh(connection, program_id)
        return of(connection, program_id)


def names(connection: sa.Connection, program_id: str) -> list[str]:
    """The names of all fields of a program, those that most members have first."""
    counted = {entry.name: entry.filled for entry in of(connection, program_id)}
    known = counted or dict.fromkeys(fields_of(connection, program_id), 0)
    return sorted({*known, *BUILT_IN}, key=lambda name: (-known.get(name, 0), name))


def values(connection: sa.Connection, program_id: str, name: str) -> list[Any]:
    """The common values of a field, the commonest first; none where they are not known."""
    entries = {entry.name: entry for entry in of(connection, program_id)}
    wanted = find({entry.name: Field(entry.name, "any") for entry in entries.values()}, name)
    return [value for value, _ in entries[wanted.name].top] if wanted is not None else []


def refresh(connection: sa.Connection, program_id: str) -> None:
    """Count all fields of a program anew, of a large one over a sample."""
    at = now()
    sample = _sample(connection, program_id)
    counted, looked_at = _of_members(connection, sample)
    counted |= _of_passes(connection, sample)
    connection.execute(catalogue.delete().where(catalogue.c.program_id == program_id))
    past = {name: _Counted(known.type, "past") for name, known in BUILT_IN.items() if known.source == "past"}
    rows = [
        {
            "program_id": program_id,
            "name": name,
            "type": one.type,
            "source": one.source,
            "filled": one.filled,
            "members": 0 if name in past else looked_at,
            "top": one.top(),
            "at": at,
        }
        for name, one in (counted | past).items()
    ]
    connection.execute(catalogue.insert(), rows)


@dataclass(slots=True)
class _Counted:
    """A field under the count. `values` is None where they are personal, or too many to be worth telling.

    Values are kept by their types, since 1 and true are equal in Python.
    """

    type: str
    source: str
    filled: int = 0
    values: dict[Any, Counter[Any]] | None = None
    types: set[Any] = field(default_factory=set)

    def add(self, values: Sequence[Any]) -> None:
        """A value of each of some more members."""
        self.filled += len(values)
        found = set(map(type, values))
        self.types |= found
        if self.values is None:
            return
        for kind in found & _KINDS.keys():
            mine = values if len(found) == 1 else [value for value in values if type(value) is kind]
            self.values.setdefault(kind, Counter()).update(mine)
        if sum(map(len, self.values.values())) > MOST_VALUES:
            self.values = None

    def top(self) -> list[list[Any]]:
        """The commonest values that two members share; equals in the order of their spelling."""
        shared = [
            (count, value)
            for counter in (self.values or {}).values()
            for value, count in counter.items()
            if count > 1 and len(str(value)) <= LONGEST_VALUE
        ]
        shared.sort(key=lambda pair: (-pair[0], str(pair[1])))
        return [[value, count] for count, value in shared[:TOP]]


def _sample(connection: sa.Connection, program_id: str) -> sa.ColumnElement[bool]:
    mine = members.c.program_id == program_id
    bounds = sa.select(sa.func.min(members.c.id), sa.func.count()).where(mine)
    low, count = connection.execute(bounds).one()
    if count <= LOOKED_AT:
        return mine
    step = -(-count // LOOKED_AT)
    return sa.and_(mine, members.c.id % step == low % step)


def _of_members(connection: sa.Connection, sample: sa.ColumnElement[bool]) -> tuple[dict[str, _Counted], int]:
    """The members' own columns and attributes; and how many members there were to look at."""
    own = {name: known for name, known in BUILT_IN.items() if known.source == "member"}
    counted = {
        name: _Counted(known.type, "member", values={} if name in TELLING else None)
        for name, known in own.items()
    }
    free: dict[str, _Counted] = {}
    columns = [
        members.c[known.column].label(name) if name in TELLING else _has(members.c[known.column]).label(name)
        for name, known in own.items()
    ]
    query = sa.select(sa.cast(members.c.attributes, sa.Text), *columns).where(sample)
    looked_at = 0
    for rows in connection.execute(query.execution_options(yield_per=CHUNK)).partitions():
        looked_at += len(rows)
        attributes, *cells = zip(*rows, strict=True)
        for name, column in zip(own, cells, strict=True):
            nothing = (None,) if name in TELLING else (None, False)
            counted[name].add([cell for cell in column if cell not in nothing])
        found: dict[str, list[Any]] = {}
        for held in json.loads(f"[{','.join(attributes)}]"):
            for key, value in held.items():
                found.setdefault(key, []).append(value)
        for key, values in found.items():
            if key not in free and len(free) == MOST_KEYS:
                continue
            tally = free.setdefault(key, _Counted("any", "attribute", values={}))
            tally.add([value for value in values if value is not None])
    for key in sorted(free)[:MOST_ATTRIBUTES]:
        if key and key.isprintable() and '"' not in key:
            tally = free[key]
            kinds = {_KINDS.get(kind, "any") for kind in tally.types}
            tally.type = next(iter(kinds)) if len(kinds) == 1 else "any"
            counted[f"attributes.{key}" if key in BUILT_IN else key] = tally
    return counted, looked_at


def _of_passes(connection: sa.Connection, sample: sa.ColumnElement[bool]) -> dict[str, _Counted]:
    """Fields of passes: a member counts once for each value that any of its passes has."""
    own = {known.column: known for known in BUILT_IN.values() if known.source == "pass"}
    found: dict[str, list[list[Any]]] = {column: [] for column in own}
    query = (
        sa.select(passes.c.member_id, passes.c.status, passes.c.wallets, _has(passes.c.installed_at))
        .join(members, members.c.id == passes.c.member_id)
        .where(sample)
        .order_by(passes.c.member_id)
    )
    rows = connection.execute(query.execution_options(yield_per=CHUNK))
    for _, group in groupby(rows, key=lambda row: row[0]):
        held = list(group)
        found["status"].append(list({status for _, status, _, _ in held}))
        found["wallets"].append(list({wallet for _, _, wallets, _ in held for wallet in wallets}))
        found["installed_at"].append([True] if any(installed for *_, installed in held) else [])
    counted = {}
    for column, known in own.items():
        tally = _Counted(known.type, "pass", values={} if known.type == "text" else None)
        tally.add([value for values in found[column] for value in values])
        tally.filled = sum(map(bool, found[column]))
        counted[known.name] = tally
    return counted


def _has(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Whether there is a value, without reading it."""
    return sa.func.coalesce(column, "") != "" if isinstance(column.type, sa.Text) else column.is_not(None)


def _entry(row: sa.Row[Any]) -> Entry:
    told = {**row._mapping, "top": tuple((value, count) for value, count in row.top)}
    told.pop("program_id")
    return Entry(**told)


_KINDS = {str: "text", bool: "boolean", int: "number", float: "number"}

__all__ = ["Entry", "fresh", "names", "of", "refresh", "values"]
