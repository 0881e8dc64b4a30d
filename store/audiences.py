"""Audiences: who is meant. Saved under a name, or chosen for this once.

A `where` audience is asked anew each time; a `file` audience holds the members that its file named
when it was read. Functions take an open connection and the program's id; `condition` gives a condition
on `members` that the caller joins with the program's own.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from store.errors import UsageError
from store.fields import Condition
from store.predicates import compile_predicate, fields_of, names_in
from store.programs import INACTIVE
from store.schema import audience_members, audiences, members
from store.times import now as clock
from store.times import rfc3339

Kind = Literal["all", "where", "file"]

LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice that is not saved: all active members, a predicate, or members named in a file.

    expression  the predicate of kind `where`; the file's name of kind `file`
    """

    kind: Kind
    expression: str | None = None
    member_ids: Sequence[int] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Audience:
    """A saved choice; the members of kind `file` are kept in the store."""

    id: int
    program_id: str
    name: str
    kind: Kind
    expression: str | None
    created_at: datetime

    def as_json(self) -> dict[str, Any]:
        """The audience as the commands print it."""
        return {
            "name": self.name,
            "program": self.program_id,
            "kind": self.kind,
            "expression": self.expression,
            "created_at": rfc3339(self.created_at),
        }


def in_words(chosen: Audience | Selection) -> str:
    """Who is meant, for people: `gold (where tier = 'gold')`."""
    words = {"all": "all active members", "where": f"where {chosen.expression}"}
    told = words.get(chosen.kind, f"members in {chosen.expression or 'a file'}")
    return f"{chosen.name} ({told})" if isinstance(chosen, Audience) else told


def condition(
    connection: sa.Connection, program_id: str, chosen: Audience | Selection, now: datetime | None = None
) -> Condition:
    """A condition on `members`. `now` is what NOW() stands for in a predicate: this moment, if not given."""
    if chosen.kind == "all":
        return members.c.status.not_in(INACTIVE)
    if chosen.kind == "where":
        expression = chosen.expression or ""
        fields = fields_of(connection, program_id, mentioned=names_in(expression))
        return compile_predicate(expression, fields, dialect=connection.dialect.name, now=now or clock())
    if isinstance(chosen, Audience):
        named = sa.select(audience_members.c.member_id).where(audience_members.c.audience_id == chosen.id)
        return members.c.id.in_(named)
    return members.c.id.in_(_listed(connection, chosen.member_ids))


def count(
    connection: sa.Connection, program_id: str, chosen: Audience | Selection, now: datetime | None = None
) -> int:
    """How many members are meant now."""
    wanted = condition(connection, program_id, chosen, now)
    query = sa.select(sa.func.count()).select_from(members).where(members.c.program_id == program_id, wanted)
    return connection.execute(query).scalar_one()


def sample(
    connection: sa.Connection,
    program_id: str,
    chosen: Audience | Selection,
    *,
    limit: int = 10,
    now: datetime | None = None,
) -> list[int]:
    """The ids of the first members that are meant, in order of their name."""
    wanted = condition(connection, program_id, chosen, now)
    query = sa.select(members.c.id).where(members.c.program_id == program_id, wanted)
    return list(connection.execute(query.order_by(members.c.name, members.c.id).limit(limit)).scalars())


def save(
    connection: sa.Connection,
    program_id: str,
    name: str,
    chosen: Selection,
    *,
    replace: bool = False,
    now: datetime | None = None,
) -> Audience:
    """Keep a choice under a name. A name in use is refused unless `replace`; so is a wrong predicate."""
    name = _check_name(name)
    condition(connection, program_id, chosen, now)
    taken = connection.execute(
        sa.select(audiences.c.id).where(audiences.c.program_id == program_id, audiences.c.name == name)
    ).scalar()
    if taken is not None and not replace:
        raise UsageError(f"there already is an audience {name}: choose another name, or replace it")
    if taken is not None:
        connection.execute(audiences.delete().where(audiences.c.id == taken))
    values = {"program_id": program_id, "name": name, "kind": chosen.kind, "expression": chosen.expression}
    row = connection.execute(
        audiences.insert().values(**values, created_at=now or clock()).returning(*audiences.c)
    ).one()
    if chosen.kind == "file":
        named = _listed(connection, chosen.member_ids)
        keep = sa.select(sa.literal(row.id, sa.BigInteger), members.c.id).where(
            members.c.program_id == program_id, members.c.id.in_(named)
        )
        connection.execute(audience_members.insert().from_select(["audience_id", "member_id"], keep))
    return Audience(**row._mapping)


def by_name(connection: sa.Connection, program_id: str, name: str) -> Audience:
    """The program's audience of that name. Raises UsageError with the nearest name."""
    saved = list_all(connection, program_id)
    for audience in saved:
        if audience.name == name.strip():
            return audience
    near = difflib.get_close_matches(name, [audience.name for audience in saved], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"there is no audience {_shown(name)} in this program{hint}")


def load(connection: sa.Connection, audience_id: int) -> Audience:
    """The audience with that id. Raises UsageError if it was deleted."""
    row = connection.execute(sa.select(audiences).where(audiences.c.id == audience_id)).one_or_none()
    if row is None:
        raise UsageError(f"there is no audience {audience_id}: it was deleted")
    return Audience(**row._mapping)


def list_all(connection: sa.Connection, program_id: str | None = None) -> list[Audience]:
    """The audiences of a program, or of all, by name."""
    query = sa.select(audiences).order_by(audiences.c.program_id, audiences.c.name)
    if program_id is not None:
        query = query.where(audiences.c.program_id == program_id)
    return [Audience(**row._mapping) for row in connection.execute(query)]


def delete(connection: sa.Connection, program_id: str, name: str) -> None:
    """Forget an audience. Blasts that were planned with it keep their members."""
    audience = by_name(connection, program_id, name)
    connection.execute(audiences.delete().where(audiences.c.id == audience.id))


def _listed(connection: sa.Connection, member_ids: Iterable[int]) -> sa.Select[Any]:
    """Ids as rows. They travel as one bound value: a parameter each ends at 32,766 (SQLite) or 65,535.

    It needs no table, temporary or hidden, so it serves in a transaction that only reads.
    """
    ids = list(member_ids)
    if connection.dialect.name == "postgresql":
        values = sa.func.unnest(sa.bindparam(None, ids, postgresql.ARRAY(sa.BigInteger)))
        return sa.select(values.column_valued("id"))
    rows = sa.func.json_each(sa.bindparam(None, json.dumps(ids), sa.Text)).table_valued("value")
    return sa.select(rows.c.value)


def _check_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise UsageError(f"an audience's name has 1 to {LONGEST_NAME} printable characters")
    return name


def _shown(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name[:LONGEST_NAME])
