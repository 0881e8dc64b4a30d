"""Audiences: who is meant. Saved under a name, or chosen for this once.

A `where` audience is asked anew each time; a `file` audience holds the members that its file named
when it was read. Functions take an open connection and the program's id; `condition` gives a condition
on `members` that the caller joins with the program's own.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from store import outline, past
from store.errors import Refused, UsageError
from store.fields import Condition
from store.ledger import Blast
from store.meaning import Meaning
from store.meaning import condition as meaning_condition
from store.parsing import functions_in
from store.predicates import BUILT_IN, Field, Known, fields_of, names_in
from store.predicates import read as read_predicate
from store.programs import INACTIVE
from store.schema import audience_members, audiences, blasts, deliveries, members, passes
from store.times import now as clock
from store.times import rfc3339

Kind = Literal["all", "where", "file"]

LONGEST_NAME = 80
LONGEST_DESCRIPTION = 400
FIRST_NAMES = 10_000
"""Members that are looked at in the order of their names before all who are meant are put in order."""
DEEPEST = 5
"""Audiences that may lead to each other by in_audience(), one inside the other."""
MOST_ASKED = 40
"""Audiences that one question may ask in all: each comes with its whole expression."""


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
    description: str = ""

    def as_json(self) -> dict[str, Any]:
        """The audience as the commands print it."""
        return {
            "name": self.name,
            "program": self.program_id,
            "kind": self.kind,
            "expression": self.expression,
            "description": self.description,
            "created_at": rfc3339(self.created_at),
        }


@dataclass(frozen=True, slots=True)
class Uses:
    """Where an audience is used.

    blasts     ids and names of the blasts that were planned with it, the newest first
    audiences  names of the program's audiences whose expression names it
    """

    blasts: list[tuple[int, str]]
    audiences: list[str]


def in_words(chosen: Audience | Selection) -> str:
    """Who is meant, for people: `gold (where tier = 'gold')`."""
    words = {"all": "all active members", "where": f"where {chosen.expression}"}
    told = words.get(chosen.kind, f"members in {chosen.expression or 'a file'}")
    return f"{chosen.name} ({told})" if isinstance(chosen, Audience) else told


def key(program_id: str, chosen: Audience | Selection) -> str:
    """The same for the same choice, however it was written; kept with each plan, so that plans compare.

    A long expression and a list of ids become their hash: an index takes no more than some 2,700 bytes.
    """
    if isinstance(chosen, Audience):
        return f"saved:{chosen.id}"
    if chosen.kind == "all":
        return "all"
    if chosen.kind == "where":
        return f"where:{_hash(outline.canonical(chosen.expression or ''))}"
    return f"file:{_hash(','.join(map(str, sorted(set(chosen.member_ids)))))}"


def of_blast(connection: sa.Connection, blast: Blast) -> Audience | Selection:
    """The choice that a blast was planned with. Raises UsageError where the audience was deleted since."""
    kind, _, rest = (blast.audience_key or "").partition(":")
    if kind == "saved":
        return load(connection, int(rest))
    if kind == "all":
        return Selection("all")
    if kind == "where":
        return Selection("where", blast.audience.removeprefix("where "))
    holders = sa.select(passes.c.member_id).join(deliveries, deliveries.c.pass_id == passes.c.id)
    ids = connection.scalars(holders.where(deliveries.c.blast_id == blast.id).distinct())
    return Selection("file", blast.audience.removeprefix("members in "), tuple(ids))


@dataclass(frozen=True, slots=True)
class _Trail:
    """Audiences that lead to each other by in_audience(): those on the way here, and all that were asked."""

    names: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def on(self, name: str) -> _Trail:
        """The trail to one audience more. Raises UsageError where it leads back, or too far."""
        if name in self.names:
            raise UsageError(f"it leads back to itself, by way of {' and '.join(self.names)}")
        if len(self.asked) >= MOST_ASKED or len(self.names) >= DEEPEST:
            raise UsageError(
                f"audiences lead to more than {MOST_ASKED} others, or over more than {DEEPEST} steps"
            )
        self.asked.append(name)
        return _Trail((*self.names, name), self.asked)


def condition(
    connection: sa.Connection,
    program_id: str,
    chosen: Audience | Selection,
    now: datetime | None = None,
    *,
    trail: _Trail | None = None,
) -> Condition:
    """A condition on `members`. `now` is what NOW() stands for in a predicate: this moment, if not given.

    `trail` is only given from within: by which audiences it came here.
    """
    if chosen.kind == "all":
        return members.c.status.not_in(INACTIVE)
    if chosen.kind == "where":
        trail = trail or (_Trail().on(chosen.name) if isinstance(chosen, Audience) else None)
        at = now or clock()
        meaning = read(connection, program_id, chosen.expression or "", at, trail=trail)
        return meaning_condition(meaning, connection.dialect.name, at)
    if isinstance(chosen, Audience):
        named = sa.select(audience_members.c.member_id).where(audience_members.c.audience_id == chosen.id)
        return members.c.id.in_(named)
    return members.c.id.in_(_listed(connection, chosen.member_ids))


def read(
    connection: sa.Connection, program_id: str, expression: str, now: datetime, *, trail: _Trail | None = None
) -> Meaning:
    """What an expression says in its program, whose fields, blasts and audiences it may name.

    Raises UsageError with the place marked; `trail` as in `condition`.
    """
    called = functions_in(expression)
    saved: dict[str, Callable[[], Condition]] = {}
    if "in_audience" in called:
        way = trail or _Trail()
        for one in list_all(connection, program_id):
            saved[one.name] = lambda one=one: condition(  # type: ignore[misc]
                connection, program_id, one, now, trail=way.on(one.name)
            )
    known = Known(
        today=past.today(connection, program_id, now) if "birthday_today" in called else None,
        blasts=past.blast_ids(connection, program_id, by_id=True) if called & {"received", "fetched"} else {},
        audiences=saved,
    )
    names = names_in(expression)
    # What is built in wins over attributes; without others their kinds need not be learned from members.
    fields: Mapping[str, Field] = BUILT_IN
    if any(name not in BUILT_IN for name in names):
        fields = fields_of(connection, program_id, mentioned=names)
    return read_predicate(expression, fields, now=now, known=known)


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
    """The ids of the first members that are meant, in order of their name, then their external id.

    Most often some are found among the first names. Where they are not, those who are meant are found first
    and put in order then: few, as a rule, of whom the names' own order would meet one in many.
    """
    wanted = condition(connection, program_id, chosen, now)
    mine = members.c.program_id == program_id
    order = (members.c.name, members.c.external_id)
    far = sa.select(*order).where(mine).order_by(*order).offset(FIRST_NAMES).limit(1)
    if end := connection.execute(far).one_or_none():
        near = sa.select(members.c.id).where(mine, wanted, sa.tuple_(*order) <= sa.tuple_(*end))
        found = list(connection.execute(near.order_by(*order).limit(limit)).scalars())
        if len(found) == limit:
            return found
    meant = sa.select(members.c.id).where(mine, wanted)
    holders = members.alias()
    query = sa.select(holders.c.id).where(holders.c.id.in_(meant))
    return list(connection.scalars(query.order_by(holders.c.name, holders.c.external_id).limit(limit)))


def save(
    connection: sa.Connection,
    program_id: str,
    name: str,
    chosen: Selection,
    *,
    description: str | None = None,
    replace: bool = False,
    now: datetime | None = None,
) -> Audience:
    """Keep a choice under a name. A name in use is refused unless `replace`; so is a wrong predicate.

    A replaced audience stays the same one, with its sizes, its uses and, where none is given, its
    description.
    """
    name = _check_name(name)
    values: dict[str, Any] = {"kind": chosen.kind, "expression": chosen.expression}
    if description is not None:
        values["description"] = _check_description(description)
    condition(connection, program_id, chosen, now)
    taken = connection.execute(
        sa.select(audiences.c.id).where(audiences.c.program_id == program_id, audiences.c.name == name)
    ).scalar()
    if taken is not None and not replace:
        raise UsageError(f"there already is an audience {name}: choose another name, or replace it")
    if taken is None:
        values |= {"program_id": program_id, "name": name, "created_at": now or clock()}
        write: Any = audiences.insert().values(values)
    else:
        connection.execute(audience_members.delete().where(audience_members.c.audience_id == taken))
        write = audiences.update().where(audiences.c.id == taken).values(values)
    saved = Audience(**connection.execute(write.returning(*audiences.c)).one()._mapping)
    if chosen.kind == "file":
        named = _listed(connection, chosen.member_ids)
        keep = sa.select(sa.literal(saved.id, sa.BigInteger), members.c.id).where(
            members.c.program_id == program_id, members.c.id.in_(named)
        )
        connection.execute(audience_members.insert().from_select(["audience_id", "member_id"], keep))
    if taken is not None:
        # Only now is it seen whether it names itself, by way of an audience that names it.
        condition(connection, program_id, saved, now)
    return saved


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
    """Forget an audience. Blasts that were planned with it keep their members.

    Raises Refused while another audience's expression names it.
    """
    audience = by_name(connection, program_id, name)
    if naming := _naming(connection, audience):
        raise Refused(
            f"the audience {audience.name} is named by {' and '.join(naming)}: change or delete that first"
        )
    connection.execute(audiences.delete().where(audiences.c.id == audience.id))


def uses(connection: sa.Connection, audience: Audience) -> Uses:
    """Where an audience is used."""
    planned = sa.select(blasts.c.id, blasts.c.name).where(
        blasts.c.program_id == audience.program_id,
        blasts.c.audience_key == key(audience.program_id, audience),
    )
    found = connection.execute(planned.order_by(blasts.c.id.desc()))
    return Uses([(row.id, row.name) for row in found], _naming(connection, audience))


def _naming(connection: sa.Connection, audience: Audience) -> list[str]:
    """The audiences whose expression names this one."""
    return [
        one.name
        for one in list_all(connection, audience.program_id)
        if one.kind == "where"
        and one.id != audience.id
        and audience.name in outline.audiences_named(one.expression or "")
    ]


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


def _check_description(description: str) -> str:
    description = description.strip()
    if len(description) > LONGEST_DESCRIPTION or not description.isprintable():
        raise UsageError(
            f"an audience's description has at most {LONGEST_DESCRIPTION} printable characters, on one line"
        )
    return description


def _hash(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()


def _shown(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name[:LONGEST_NAME])
