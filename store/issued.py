"""Passes that we issue ourselves: their serials, and the tags by which phones learn of changes.

A tag is a number of the whole store that grows with each change, and with the order in which changes
become visible: whoever takes one holds the counter until the end of the transaction. So a phone that
keeps the newest tag it was told never misses a change (Apple, "Updating a Pass": the tag is ours to
choose, and every pass changed after it has to be told). All changes of one transaction share a tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.database import among, as_table, later, upsert
from store.schema import installation, issued, pass_events, passes, pushes_due
from store.times import Moment

TAG = "tag"
"""The counter's name among the facts of the store."""

_COUNT = (
    installation.update()
    .where(installation.c.name == TAG)
    .values(value=sa.cast(sa.cast(installation.c.value, sa.BigInteger) + 1, sa.Text))
    .returning(installation.c.value)
)


@dataclass(frozen=True, slots=True)
class NewPass:
    """A pass that is about to be issued; what each column means stands in store/schema/issuing.py."""

    member_id: int
    program_id: str
    channel: str
    serial: str
    provider_id: str
    pass_type: str | None
    token: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A pass of our own as it stands.

    tag          of its last change
    changed_at   its Last-Modified
    message_tag  of the change that brought `shown_text`; None: no message yet
    """

    pass_id: int
    program_id: str
    member_id: int
    channel: str
    serial: str
    provider_id: str
    pass_type: str | None
    token: str
    tag: int
    changed_at: datetime
    message_tag: int | None
    shown_text: str | None
    status: str


def add(connection: sa.Connection, rows: Sequence[NewPass], *, at: datetime) -> list[int]:
    """Write passes that were never handed out; returns their ids, in the order of `rows`."""
    if not rows:
        return []
    tag, whole = next_tag(connection), at.replace(microsecond=0)
    bare = [
        {name: value for name, value in asdict(row).items() if name not in ("serial", "pass_type", "token")}
        | {"keys": {}, "status": "issued", "wallets": []}
        for row in rows
    ]
    insert = passes.insert().returning(passes.c.id, sort_by_parameter_order=True)
    ids = list(connection.scalars(insert, bare))
    more = {"tag": tag, "changed_at": whole, "at": at}
    connection.execute(
        issued.insert(),
        [
            {"pass_id": id_, "serial": row.serial, "pass_type": row.pass_type, "token": row.token, **more}
            for id_, row in zip(ids, rows, strict=True)
        ],
    )
    born = {"kind": "created", "at": at, "source": "passbell", "details": {}}
    connection.execute(pass_events.insert(), [{"pass_id": id_, **born} for id_ in ids])
    return ids


def by_serial(connection: sa.Connection, serial: str) -> Issued | None:
    """The pass with this serial, if it is one of ours."""
    return _one(connection, issued.c.serial == serial)


def by_serials(connection: sa.Connection, serials: Iterable[str]) -> dict[str, Issued]:
    """Those of these serials that are ours."""
    asked = as_table(connection, [(one,) for one in serials], {"serial": sa.Text()}).subquery()
    rows = connection.execute(_query().join(asked, asked.c.serial == issued.c.serial))
    return {row.serial: Issued(**row._mapping) for row in rows}


def by_id(connection: sa.Connection, pass_id: int) -> Issued | None:
    """The pass with this id, if it is one of ours."""
    return _one(connection, issued.c.pass_id == pass_id)


def by_provider_id(connection: sa.Connection, channel: str, provider_id: str) -> Issued | None:
    """The pass that a provider calls so. An object's id at Google is our serial behind the issuer's id."""
    serial = provider_id.partition(".")[2] if channel == "google" else provider_id
    found = by_serial(connection, serial)
    if found is None or (found.channel, found.provider_id) != (channel, provider_id):
        return None
    return found


def counts(connection: sa.Connection, program_id: str) -> dict[str, tuple[int, int]]:
    """By channel: how many of a program's passes are issued and not void, and how many are in a wallet."""
    installed = sa.func.count().filter(passes.c.status == "installed")
    query = (
        sa.select(passes.c.channel, sa.func.count(), installed)
        .join(issued, issued.c.pass_id == passes.c.id)
        .where(passes.c.program_id == program_id, passes.c.status.not_in(("invalidated", "gone")))
        .group_by(passes.c.channel)
        .order_by(passes.c.channel)
    )
    return {channel: (number, held) for channel, number, held in connection.execute(query)}


def next_tag(connection: sa.Connection) -> int:
    """The tag of this transaction's change. Others that change passes wait until it has ended."""
    counted = connection.scalar(_COUNT)
    if counted is None:
        row = {"name": TAG, "value": "0"}
        connection.execute(upsert(connection, installation).values(**row).on_conflict_do_nothing())
        counted = connection.execute(_COUNT).scalar_one()
    return int(counted)


def changed(connection: sa.Connection, pass_ids: Iterable[int], *, at: datetime) -> int | None:
    """What these passes show has changed: they get a new tag, which is returned, and a new Last-Modified.

    Passes that are not ours are left alone; without any, no tag is taken.
    """
    ids = list(pass_ids)
    if not ids:
        return None
    tag = next_tag(connection)
    connection.execute(
        issued.update()
        .where(among(connection, issued.c.pass_id, ids))
        .values(tag=tag, changed_at=modified(connection, at))
    )
    return tag


def modified(connection: sa.Connection, at: datetime) -> sa.ColumnElement[datetime]:
    """Last-Modified after a change: HTTP dates have whole seconds, and no two changes may share one."""
    whole = sa.literal(at.replace(microsecond=0), Moment())
    following = later(connection, issued.c.changed_at, 1)
    return sa.case((issued.c.changed_at < whole, whole), else_=following)


def tell(connection: sa.Connection, pass_ids: Iterable[int], *, at: datetime) -> None:
    """Let a worker tell the phones of these passes, and Google, that they changed: no blast does it.

    An Apple pass that is on no phone is left out.
    """
    ids = list(pass_ids)
    if not ids:
        return
    on_a_phone = sa.and_(passes.c.channel == "apple", passes.c.status == "installed")
    columns = (passes.c.id, sa.literal(at, Moment()), sa.literal(at, Moment()), sa.literal(0))
    who = sa.select(*columns).where(
        among(connection, passes.c.id, ids), sa.or_(on_a_phone, passes.c.channel == "google")
    )
    statement = upsert(connection, pushes_due).from_select(["pass_id", "since", "due_at", "attempts"], who)
    anew = {"due_at": at, "attempts": 0, "detail": None}
    connection.execute(statement.on_conflict_do_update(index_elements=["pass_id"], set_=anew))


def _one(connection: sa.Connection, which: sa.ColumnElement[bool]) -> Issued | None:
    row = connection.execute(_query().where(which)).one_or_none()
    return None if row is None else Issued(**row._mapping)


def _query() -> sa.Select[Any]:
    columns: list[Any] = [
        passes.c.id.label("pass_id"),
        *(passes.c[name] for name in ("program_id", "member_id", "channel")),
        issued.c.serial,
        passes.c.provider_id,
        *(issued.c[name] for name in ("pass_type", "token", "tag", "changed_at", "message_tag")),
        passes.c.shown_text,
        passes.c.status,
    ]
    return sa.select(*columns).join(issued, issued.c.pass_id == passes.c.id)
