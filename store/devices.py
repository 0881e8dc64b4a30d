"""Phones and watches that hold passes of ours: who registered, which passes changed for them, where to push.

Every write takes the store's tag first (store/issued.py), so registrations and changes come one after the
other, and no two of them ever wait crosswise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store import pass_events
from store.database import among, kept, spread, upsert
from store.issued import TAG, next_tag
from store.schema import BigId, devices, installation, issued, passes, registrations
from store.times import Moment, now

_STAY = ("installed", "invalidated")
"""What a pass stays when it is registered."""
_NEWEST = sa.select(installation.c.value).where(installation.c.name == TAG)


@dataclass(frozen=True, slots=True)
class Place:
    """A pass on a device, or one that is to come there or to go."""

    pass_type: str
    library_id: str
    serial: str


@dataclass(frozen=True, slots=True)
class Question:
    """A device asks what has changed since the tag it kept; None: it kept none."""

    pass_type: str
    library_id: str
    tag: int | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Passes of a device that changed since its tag, and the tag it is to keep now."""

    serials: tuple[str, ...]
    pass_ids: tuple[int, ...]
    tag: int


@dataclass(frozen=True, slots=True)
class Token:
    """Where to push for a pass."""

    device_id: int
    pass_type: str
    push_token: str


def register(
    connection: sa.Connection, *, pass_type: str, library_id: str, serial: str, push_token: str, at: datetime
) -> bool:
    """A device holds a pass now, and is reached by this token. False: it was registered before."""
    place = Place(pass_type, library_id, serial)
    return bool(register_all(connection, [(place, push_token)], at=at)[0])


def register_all(
    connection: sa.Connection, wanted: Sequence[tuple[Place, str]], *, at: datetime
) -> list[bool | None]:
    """Places with their push tokens. True: new; False: registered before; None: there is no such pass.

    The newest token of a device counts, also for passes it registered earlier. A pass becomes `installed`
    with its first registration, unless it was invalidated.

    A pass that changed before it was registered is told in the device's next list, even when the device
    kept a newer tag: it may have come there by an old file.
    """
    tag = next_tag(connection)
    found = _wanted(connection, {place for place, _ in wanted})
    ours = [(place, token) for place, token in wanted if place in found]
    if not ours:
        return [None] * len(wanted)
    device_ids = _devices(connection, ours, at)
    rows = [
        (device_ids[place.pass_type, place.library_id], row.pass_id, tag if row.changed else None)
        for place, row in found.items()
    ]
    connection.execute(_register(connection), {"rows": json.dumps(rows), "at": at})
    bare = {row.pass_id for row in found.values() if row.status not in _STAY}
    if bare:
        _installed(connection, sorted(bare), at)
    before = {place for place, row in found.items() if row.registered}
    outcomes: list[bool | None] = []
    for place, _ in wanted:
        outcomes.append(place not in before if place in found else None)
        before.add(place)
    return outcomes


def unregister(
    connection: sa.Connection, *, pass_type: str, library_id: str, serial: str, at: datetime
) -> bool:
    """A pass was taken off a device. False: it was not registered there."""
    return unregister_all(connection, [Place(pass_type, library_id, serial)], at=at)[0]


def unregister_all(connection: sa.Connection, places: Sequence[Place], *, at: datetime) -> list[bool]:
    """Whether each was registered. A pass without any device is `uninstalled`; a device without any goes."""
    next_tag(connection)
    asked = json.dumps([(one.pass_type, one.library_id, one.serial) for one in places])
    rows = connection.execute(_registered(connection), {"asked": asked}).all()
    _take_off(connection, {(row.device_id, row.pass_id) for row in rows}, at, {})
    were = {Place(row.pass_type, row.library_id, row.serial) for row in rows}
    outcomes = []
    for place in places:
        outcomes.append(place in were)
        were.discard(place)
    return outcomes


def forget(
    connection: sa.Connection, *, pass_type: str, push_token: str, registered_before: datetime | None
) -> int:
    """Apple says that this token leads nowhere: its registrations go. Returns how many passes it was for.

    `registered_before` is the moment from which Apple knows it (the `timestamp` of a 410): a device that
    registered later stays. None: Apple gave no time.
    """
    next_tag(connection)
    query = (
        sa.select(registrations.c.device_id, registrations.c.pass_id)
        .join(devices, devices.c.id == registrations.c.device_id)
        .where(devices.c.pass_type == pass_type, devices.c.push_token == push_token)
    )
    if registered_before is not None:
        query = query.where(devices.c.seen_at <= registered_before)
    pairs = {(row.device_id, row.pass_id) for row in connection.execute(query)}
    _take_off(connection, pairs, now(), {"reason": "push token gone"})
    return len({pass_id for _, pass_id in pairs})


def changed_since(
    connection: sa.Connection, *, pass_type: str, library_id: str, tag: int | None
) -> Changes | None:
    """What a device has to fetch; None where nothing of it changed, or nobody knows the device."""
    return changed_for(connection, [Question(pass_type, library_id, tag)])[0]


def changed_for(connection: sa.Connection, questions: Sequence[Question]) -> list[Changes | None]:
    """The same for many. Without a tag, every pass of the device is told.

    So it is with a tag that this store never gave out: by another server, or by this one before it was
    put back from a backup. Taken at its word, it would hide every change until the counter passed it.
    """
    # Read before the passes: a change that comes between the two has a tag above it.
    newest = int(connection.scalar(_NEWEST) or 0)
    asked = json.dumps(sorted({(one.pass_type, one.library_id) for one in questions}))
    held: dict[tuple[str, str], list[Any]] = {}
    for row in connection.execute(_held(connection), {"asked": asked}):
        held.setdefault((row.pass_type, row.library_id), []).append(row)
    answers: list[Changes | None] = []
    for one in questions:
        since = -1 if one.tag is None or one.tag > newest else one.tag
        rows = [row for row in held.get((one.pass_type, one.library_id), ()) if row.tag > since]
        told = (
            Changes(tuple(row.serial for row in rows), tuple(row.pass_id for row in rows), rows[-1].tag)
            if rows
            else None
        )
        answers.append(told)
    return answers


def tokens(connection: sa.Connection, pass_ids: Iterable[int]) -> dict[int, list[Token]]:
    """Where to push for each pass that is on a device; a token once, whatever its device calls itself now."""
    query = (
        sa.select(registrations.c.pass_id, devices.c.id, devices.c.pass_type, devices.c.push_token)
        .join(devices, devices.c.id == registrations.c.device_id)
        .where(among(connection, registrations.c.pass_id, list(pass_ids)))
        .order_by(registrations.c.pass_id, devices.c.seen_at.desc(), devices.c.id.desc())
    )
    found: dict[int, dict[str, Token]] = {}
    for pass_id, device_id, pass_type, push_token in connection.execute(query):
        found.setdefault(pass_id, {}).setdefault(push_token, Token(device_id, pass_type, push_token))
    return {pass_id: list(each.values()) for pass_id, each in found.items()}


def any_token(connection: sa.Connection, program_id: str) -> Token | None:
    """Of the phones that hold a pass of the program, the one that registered last; None: there is none."""
    query = (
        sa.select(devices.c.id, devices.c.pass_type, devices.c.push_token)
        .join(registrations, registrations.c.device_id == devices.c.id)
        .join(passes, passes.c.id == registrations.c.pass_id)
        .where(passes.c.program_id == program_id)
        .order_by(devices.c.seen_at.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else Token(*row)


def _wanted(connection: sa.Connection, places: Iterable[Place]) -> dict[Place, Any]:
    """Those of these places whose pass is ours, and how pass and place stand."""
    asked = json.dumps([(one.pass_type, one.library_id, one.serial) for one in places])
    rows = connection.execute(_standing(connection), {"asked": asked})
    return {Place(row.pass_type, row.library_id, row.serial): row for row in rows}


@kept
def _standing(connection: sa.Connection) -> sa.Select[Any]:
    asked = _asked(connection, "serial")
    # `add` gives a pass the whole second of its making; any change is at least a second above that.
    changed = (issued.c.changed_at > issued.c.at).label("changed")
    registered = registrations.c.pass_id.is_not(None).label("registered")
    ours = sa.and_(issued.c.serial == asked.c.serial, issued.c.pass_type == asked.c.pass_type)
    there = sa.and_(registrations.c.device_id == devices.c.id, registrations.c.pass_id == issued.c.pass_id)
    return (
        sa.select(asked, issued.c.pass_id, passes.c.status, changed, registered)
        .join(issued, ours)
        .join(passes, passes.c.id == issued.c.pass_id)
        .outerjoin(devices, _is_asked(asked))
        .outerjoin(registrations, there)
    )


def _devices(
    connection: sa.Connection, wanted: Sequence[tuple[Place, str]], at: datetime
) -> dict[tuple[str, str], int]:
    """The devices' ids, after their tokens were written."""
    newest = {(place.pass_type, place.library_id): token for place, token in wanted}
    rows = json.dumps([(*device, token) for device, token in newest.items()])
    told = connection.execute(_meet(connection), {"asked": rows, "at": at})
    return {(row.pass_type, row.library_id): row.id for row in told}


@kept
def _meet(connection: sa.Connection) -> Any:
    asked = _asked(connection, "push_token")
    names = ["pass_type", "library_id", "push_token", "seen_at"]
    # Without a condition, SQLite takes ON CONFLICT for a part of the question.
    told = sa.select(asked, sa.bindparam("at", type_=Moment())).where(sa.true())
    statement = upsert(connection, devices).from_select(names, told)
    newer = {name: statement.excluded[name] for name in ("push_token", "seen_at")}
    statement = statement.on_conflict_do_update(index_elements=["pass_type", "library_id"], set_=newer)
    return statement.returning(devices.c.id, devices.c.pass_type, devices.c.library_id)


@kept
def _register(connection: sa.Connection) -> Any:
    cells = {"device_id": BigId, "pass_id": BigId, "tag": sa.BigInteger()}
    rows = spread(connection, sa.bindparam("rows", type_=sa.Text), cells).subquery()
    told = sa.select(rows, sa.bindparam("at", type_=Moment())).where(sa.true())
    statement = upsert(connection, registrations).from_select([*cells, "at"], told)
    newer = {"tag": statement.excluded.tag}
    return statement.on_conflict_do_update(index_elements=["device_id", "pass_id"], set_=newer)


@kept
def _registered(connection: sa.Connection) -> sa.Select[Any]:
    asked = _asked(connection, "serial")
    return (
        sa.select(registrations.c.device_id, registrations.c.pass_id, asked)
        .join(devices, devices.c.id == registrations.c.device_id)
        .join(issued, issued.c.pass_id == registrations.c.pass_id)
        .join(asked, sa.and_(_is_asked(asked), asked.c.serial == issued.c.serial))
    )


@kept
def _held(connection: sa.Connection) -> sa.Select[Any]:
    by_change = sa.case((registrations.c.tag > issued.c.tag, registrations.c.tag), else_=issued.c.tag)
    return (
        sa.select(devices.c.pass_type, devices.c.library_id, issued.c.pass_id, issued.c.serial)
        .add_columns(by_change.label("tag"))
        .join(asked := _asked(connection), _is_asked(asked))
        .join(registrations, registrations.c.device_id == devices.c.id)
        .join(issued, issued.c.pass_id == registrations.c.pass_id)
        .order_by(sa.literal_column("tag"), issued.c.serial)
    )


def _installed(connection: sa.Connection, pass_ids: Sequence[int], at: datetime) -> None:
    asked = {"asked": json.dumps([[pass_id] for pass_id in pass_ids]), "moment": at}
    turned = connection.scalars(_install(connection), asked)
    events = [pass_events.Event(pass_id, "installed", at, "apple") for pass_id in sorted(turned)]
    pass_events.add(connection, events)


@kept
def _install(connection: sa.Connection) -> Any:
    asked = spread(connection, sa.bindparam("asked", type_=sa.Text), {"pass_id": BigId}).subquery()
    return (
        passes.update()
        .where(passes.c.id.in_(sa.select(asked.c.pass_id)), passes.c.status.not_in(_STAY))
        .values(status="installed", installed_at=sa.bindparam("moment", type_=Moment()), wallets=["apple"])
        .returning(passes.c.id)
    )


def _take_off(
    connection: sa.Connection, pairs: set[tuple[int, int]], at: datetime, details: dict[str, str]
) -> None:
    """End registrations; with them devices that have no other, and what made their passes `installed`."""
    if not pairs:
        return
    device_ids, pass_ids = ([pair[number] for pair in sorted(pairs)] for number in (0, 1))
    connection.execute(
        registrations.delete().where(
            registrations.c.device_id == sa.bindparam("device"),
            registrations.c.pass_id == sa.bindparam("pass"),
        ),
        [{"device": device_id, "pass": pass_id} for device_id, pass_id in sorted(pairs)],
    )
    left = sa.exists().where(registrations.c.device_id == devices.c.id)
    connection.execute(devices.delete().where(among(connection, devices.c.id, device_ids), ~left))
    left = sa.exists().where(registrations.c.pass_id == passes.c.id)
    turned = connection.scalars(
        passes.update()
        .where(among(connection, passes.c.id, pass_ids), passes.c.status == "installed", ~left)
        .values(status="uninstalled", wallets=[])
        .returning(passes.c.id)
    )
    events = [pass_events.Event(pass_id, "removed", at, "apple", details) for pass_id in sorted(turned)]
    pass_events.add(connection, events)


def _asked(connection: sa.Connection, *more: str) -> sa.Subquery:
    """The parameter `asked` as rows: devices by their names, and what else is told of each."""
    columns = {name: sa.Text() for name in ("pass_type", "library_id", *more)}
    return spread(connection, sa.bindparam("asked", type_=sa.Text), columns).subquery()


def _is_asked(asked: sa.Subquery) -> sa.ColumnElement[bool]:
    return sa.and_(asked.c.pass_type == devices.c.pass_type, asked.c.library_id == devices.c.library_id)
