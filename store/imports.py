"""Imports of member data: what each one changed, so that it can be undone, and how its columns were read.

What a file says of a member is kept apart (`imported`), under what the pass itself says (`attributes` is the
one overlaid with the other). Only attributes, time zone and locale come from files; what the provider or the
member decides (points, opt-outs, consents) has no way in. In a program of our own there is no other provider:
there a file also says who its members are, and what they have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from store import views
from store.database import as_table, upsert
from store.errors import UsageError
from store.schema import import_changes, import_mappings, imports, members, programs
from store.times import now, rfc3339
from store.views import Fact, View

COLUMNS = ("time_zone", "locale")
"""Columns of a member that a file may fill; every other name in a file is an attribute's."""

OWN_COLUMNS = (
    *COLUMNS,
    *("name", "email", "phone", "tier_id", "points", "secondary_points", "tier_points", "birthday"),
)
"""The same in a program of our own."""

CHUNK = 5_000

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Import:
    """An import that was done. `counts` are those of its report; `undone_at` is None while it stands."""

    id: int
    program_id: str
    file: str
    mapping: dict[str, str]
    counts: dict[str, int]
    at: datetime
    actor: str
    undone_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The import as the commands print it."""
        return {
            "id": self.id,
            "program": self.program_id,
            "file": self.file,
            "mapping": self.mapping,
            **self.counts,
            "at": rfc3339(self.at),
            "actor": self.actor,
            "undone_at": rfc3339(self.undone_at),
        }


class State(NamedTuple):
    """What files may change of a member, as it stands: `columns` are its COLUMNS, or OWN_COLUMNS."""

    member_id: int
    imported: Values
    attributes: Values
    columns: tuple[Any, ...]


class Change(NamedTuple):
    """A member's new state, and what `reverted` needs to go back: see `changed`."""

    state: State
    before: Values


def begin(
    connection: sa.Connection, program_id: str, file: str, mapping: Mapping[str, str], actor: str
) -> int:
    """Note an import that is under way in this transaction; returns its id."""
    values = {"program_id": program_id, "file": file, "mapping": dict(mapping), "counts": {}}
    new = imports.insert().values(**values, at=now(), actor=actor).returning(imports.c.id)
    import_id: int = connection.execute(new).scalar_one()
    return import_id


def finish(connection: sa.Connection, import_id: int, counts: Mapping[str, int]) -> None:
    """Note what came of it."""
    connection.execute(imports.update().where(imports.c.id == import_id).values(counts=dict(counts)))


def remembered(connection: sa.Connection, program_id: str) -> dict[str, str]:
    """How columns of earlier files of the program were read; empty before the first."""
    query = sa.select(import_mappings.c.mapping).where(import_mappings.c.program_id == program_id)
    return dict(connection.execute(query).scalar() or {})


def remember(connection: sa.Connection, program_id: str, mapping: Mapping[str, str]) -> None:
    """Keep how columns are read, in place of what was kept before."""
    values = {"mapping": dict(mapping), "updated_at": now()}
    statement = upsert(connection, import_mappings).values(program_id=program_id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["program_id"], set_=values))


def _counted(name: str) -> Callable[[Import], int]:
    return lambda one: one.counts.get(name, 0)


COUNTED = ("rows", "created", "new", "changed", "unchanged", "rejected")
FACTS: dict[str, Fact] = {
    "id": Fact("number", lambda one: one.id),
    "file": Fact("text", lambda one: one.file),
    "at": Fact("moment", lambda one: one.at),
    **{name: Fact("number", _counted(name)) for name in COUNTED},
    "actor": Fact("text", lambda one: one.actor),
    "undone_at": Fact("moment", lambda one: one.undone_at),
}
"""The columns of a list of imports."""


def list_all(
    connection: sa.Connection,
    program_id: str,
    *,
    view: View = View(),  # noqa: B008 (it never changes)
) -> list[Import]:
    """The imports of a program, the newest first or as the view has it."""
    query = sa.select(imports).where(imports.c.program_id == program_id).order_by(imports.c.id.desc())
    rows = [Import(**row._mapping) for row in connection.execute(query)]
    return views.pick(connection, FACTS, rows, view, ("file", "actor"))


def get(connection: sa.Connection, import_id: int, account: str) -> Import:
    """The account's import with that id. Raises UsageError if there is none."""
    query = (
        sa.select(imports)
        .join(programs, programs.c.id == imports.c.program_id)
        .where(imports.c.id == import_id, programs.c.account == account)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise UsageError(f"there is no import {import_id}: `passbell members imports PROGRAM` lists them")
    return Import(**row._mapping)


def mark_undone(connection: sa.Connection, import_id: int) -> None:
    """Note that it was taken back. What it had changed is not needed any more."""
    connection.execute(imports.update().where(imports.c.id == import_id).values(undone_at=now()))
    connection.execute(import_changes.delete().where(import_changes.c.import_id == import_id))


def later(connection: sa.Connection, import_id: int) -> int | None:
    """The newest import after this one that stands and changed a member whom this one changed."""
    own, other = import_changes.alias(), import_changes.alias()
    query = (
        sa.select(sa.func.max(other.c.import_id))
        .select_from(own.join(other, other.c.member_id == own.c.member_id))
        .where(own.c.import_id == import_id, other.c.import_id > import_id)
    )
    return connection.execute(query).scalar()


def changed(state: State, given: Mapping[str, Any]) -> Change | None:
    """The member with what a file gives; None where it is so already. A null takes an attribute away.

    `before` holds for each attribute in `keys` what was imported and what was shown, if there was anything,
    and for each column what it was and what it became.
    """
    member_id, imported, attributes, columns = state
    names = OWN_COLUMNS[: len(columns)]
    kept = {name: value for name, value in given.items() if name not in names}
    if imported:
        keys = [name for name, value in kept.items() if not same(imported.get(name), value)]
    else:
        keys = [name for name, value in kept.items() if value is not None]
    before: Values = {}
    filled = list(columns)
    for number, name in enumerate(names):
        if (became := given.get(name)) is not None and became != filled[number]:
            before.setdefault("columns", {})[name] = [filled[number], became]
            filled[number] = became
    if keys:
        before["keys"] = keys
        before["imported"] = {name: imported[name] for name in keys if name in imported}
        before["shown"] = {name: attributes[name] for name in keys if name in attributes}
        # What the pass itself says is what is there and was not imported; it stays on top.
        own = attributes
        if imported:
            own = {
                name: value
                for name, value in attributes.items()
                if not same(imported.get(name, ABSENT), value)
            }
        imported = {name: value for name, value in (imported | kept).items() if value is not None}
        attributes = imported | own
    return Change(State(member_id, imported, attributes, tuple(filled)), before) if before else None


def reverted(state: State, before: Mapping[str, Any]) -> State:
    """The member as it was before a change.

    What somebody else wrote since then stays: a column that is not as the import left it any more, and what a
    sync found on the pass.
    """
    member_id, imported, attributes, columns = state
    filled = list(columns)
    for number, name in enumerate(OWN_COLUMNS[: len(columns)]):
        was, became = before.get("columns", {}).get(name, (None, None))
        if became is not None and filled[number] == became:
            filled[number] = was
    imported, attributes = dict(imported), dict(attributes)
    for name in before.get("keys", ()):
        was, shown = before["imported"].get(name, ABSENT), before["shown"].get(name, ABSENT)
        became, found = imported.get(name, ABSENT), attributes.get(name, ABSENT)
        left = became if shown is ABSENT or same(was, shown) else shown
        _put(imported, name, was)
        if same(found, left):
            _put(attributes, name, shown)
        elif same(found, became):
            _put(attributes, name, was)
    return State(member_id, imported, attributes, tuple(filled))


def states(
    connection: sa.Connection, where: sa.ColumnElement[bool], *, own: bool = False
) -> dict[str, State]:
    """The members that fit, by external id; locked until the end of a transaction that writes.

    `own`: they are of a program of our own, and their OWN_COLUMNS are read, a birthday as a text.
    """
    documents = [sa.cast(members.c[name], sa.Text) for name in ("imported", "attributes")]
    columns = [
        sa.cast(members.c[name], sa.Text) if name == "birthday" else members.c[name]
        for name in (OWN_COLUMNS if own else COLUMNS)
    ]
    query = sa.select(members.c.external_id, members.c.id, *documents, *columns).where(where)
    if connection.dialect.name == "postgresql" and not connection.get_execution_options().get(
        "passbell_read"
    ):
        query = query.with_for_update(of=members)  # a sync may be writing the same members
    rows = connection.execute(query).all()
    imported, attributes = (_parsed([row[number] for row in rows]) for number in (2, 3))
    return {
        row[0]: State(row[1], kept, shown, tuple(row[4:]))
        for row, kept, shown in zip(rows, imported, attributes, strict=True)
    }


def put(connection: sa.Connection, changed: Sequence[Change]) -> None:
    """Write members as they are now, where no import does it."""
    if changed:
        connection.execute(_update(_rows(connection, [(change.state, None) for change in changed])))


def write(
    connection: sa.Connection, import_id: int, changed: Sequence[Change], made: Sequence[int] = ()
) -> None:
    """Write members as an import leaves them, with what they were, and which members it made."""
    if changed:
        new = _rows(connection, [(change.state, change.before) for change in changed])
        connection.execute(_update(new))
        kept = sa.select(sa.literal(import_id), new.c.id, new.c.before)
        connection.execute(import_changes.insert().from_select(["import_id", "member_id", "before"], kept))
    if made:
        rows = [{"import_id": import_id, "member_id": member_id} for member_id in made]
        connection.execute(import_changes.insert(), rows)


def write_back(connection: sa.Connection, former: Sequence[State]) -> None:
    """Write members as they were."""
    if former:
        connection.execute(_update(_rows(connection, [(state, None) for state in former])))


def changes(connection: sa.Connection, import_id: int) -> Iterator[dict[int, Values | None]]:
    """What an import changed, in chunks by member id: what each member was, None where it was made."""
    last = 0
    before = sa.func.coalesce(sa.cast(import_changes.c.before, sa.Text), "null")
    query = sa.select(import_changes.c.member_id, before).order_by(import_changes.c.member_id)
    query = query.where(import_changes.c.import_id == import_id).limit(CHUNK)
    while rows := connection.execute(query.where(import_changes.c.member_id > last)).all():
        member_ids = [row[0] for row in rows]
        yield dict(zip(member_ids, _parsed([row[1] for row in rows]), strict=True))
        last = member_ids[-1]


ABSENT = object()


def same(one: Any, other: Any) -> bool:
    """Equal as JSON, where 1 is not true."""
    return type(one) is type(other) and bool(one == other)


def _put(values: Values, name: str, value: Any) -> None:
    values.pop(name, None)
    if value is not ABSENT:
        values[name] = value


def _parsed(documents: Sequence[str]) -> list[Any]:
    """Many small documents in one go: a call of the parser for each takes longer than the parsing."""
    parsed: list[Any] = json.loads(f"[{','.join(documents)}]")
    return parsed


def _rows(connection: sa.Connection, rows: Sequence[tuple[State, Values | None]]) -> sa.Subquery:
    """States and what they were before, as a table. All of them are of one program."""
    filled = OWN_COLUMNS[: len(rows[0][0].columns)]
    columns = {name: members.c[name].type for name in ("id", "imported", "attributes", *filled)}
    spelled = [[*state[:3], *state.columns, before] for state, before in rows]
    return as_table(connection, spelled, columns | {"before": import_changes.c.before.type}).subquery()


def _update(new: sa.Subquery) -> sa.Update:
    values: dict[str, Any] = {one.name: one for one in new.c if one.name not in ("id", "before")}
    if "name" in values:  # a provider says itself when it changed a member
        values["updated_at"] = now()
    return members.update().values(values).where(members.c.id == new.c.id)
