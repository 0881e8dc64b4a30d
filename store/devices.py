"""Phones and watches that hold passes of ours: who registered, which passes changed for them, where to push.

Every write takes the store's tag first (store/issued.py), so registrations and changes come one after the
other, and no two of them ever wait crosswise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store import pass_events
from store.database import among, as_table, upsert
from store.issued import TAG, next_tag
from store.schema import devices, installation, issued, passes, registrations
from store.times import now


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
    found = _passes(connection, {place.serial for place, _ in wanted})
    ours = [
        (place, token)
        for place, token in wanted
        if place.serial in found and found[place.serial].pass_type == place.pass_type
    ]
    if not ours:
        return [None] * len(wanted)
    device_ids = _devices(connection, ours, at)
    before = {
        (row.device_id, row.pass_id)
        for row in connection.execute(
            sa.select(registrations.c.device_id, registrations.c.pass_id).where(
                among(connection, registrations.c.device_id, list(device_ids.values()))
            )
        )
    }
    pairs = {
        place: (device_ids[place.pass_type, place.library_id], found[place.serial].pass_id)
        for place, _ in ours
    }
    rows = [
        {
            "device_id": pair[0],
            "pass_id": pair[1],
            "at": at,
            "tag": tag if found[place.serial].changed else None,
        }
        for place, pair in pairs.items()
    ]
    statement = upsert(connection, registrations)
    again = statement.on_conflict_do_update(
        index_elements=["device_id", "pass_id"], set_={"tag": statement.excluded.tag}
    )
    connection.execute(again, rows)
    _installed(connection, [row["pass_id"] for row in rows], at)
    outcomes: list[bool | None] = []
    for place, _ in wanted:
        pair = pairs.get(place)
        outcomes.append(None if pair is None else pair not in before)
        if pair is not None:
            before.add(pair)
    return outcomes


def unregister(
    connection: sa.Connection, *, pass_type: str, library_id: str, serial: str, at: datetime
) -> bool:
    """A pass was taken off a device. False: it was not registered there."""
    return unregister_all(connection, [Place(pass_type, library_id, serial)], at=at)[0]


def unregister_all(connection: sa.Connection, places: Sequence[Place], *, at: datetime) -> list[bool]:
    """Whether each was registered. A pass without any device is `uninstalled`; a device without any goes."""
    next_tag(connection)
    asked = _asked(connection, [(one.pass_type, one.library_id, one.serial) for one in places], "serial")
    rows = connection.execute(
        sa.select(registrations.c.device_id, registrations.c.pass_id, asked)
        .join(devices, devices.c.id == registrations.c.device_id)
        .join(issued, issued.c.pass_id == registrations.c.pass_id)
        .join(
            asked,
            sa.and_(
                asked.c.pass_type == devices.c.pass_type,
                asked.c.library_id == devices.c.library_id,
                asked.c.serial == issued.c.serial,
            ),
        )
    ).all()
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
    newest = int(connection.scalar(sa.select(installation.c.value).where(installation.c.name == TAG)) or 0)
    asked = _asked(connection, sorted({(one.pass_type, one.library_id) for one in questions}))
    by_change = sa.case((registrations.c.tag > issued.c.tag, registrations.c.tag), else_=issued.c.tag)
    held: dict[tuple[str, str], list[Any]] = {}
    for row in connection.execute(
        sa.select(devices.c.pass_type, devices.c.library_id, issued.c.pass_id, issued.c.serial)
        .add_columns(by_change.label("tag"))
        .join(
            asked,
            sa.and_(asked.c.pass_type == devices.c.pass_type, asked.c.library_id == devices.c.library_id),
        )
        .join(registrations, registrations.c.device_id == devices.c.id)
        .join(issued, issued.c.pass_id == registrations.c.pass_id)
        .order_by(sa.literal_column("tag"), issued.c.serial)
    ):
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


def _passes(connection: sa.Connection, serials: Iterable[str]) -> dict[str, Any]:
    asked = as_table(connection, [(one,) for one in sorted(serials)], {"serial": sa.Text()}).subquery()
    # `add` gives a pass the whole second of its making; any change is at least a second above that.
    changed = (issued.c.changed_at > issued.c.at).label("changed")
    query = sa.select(issued.c.serial, issued.c.pass_id, issued.c.pass_type, changed)
    rows = connection.execute(query.join(asked, asked.c.serial == issued.c.serial))
    return {row.serial: row for row in rows}


def _devices(
    connection: sa.Connection, wanted: Sequence[tuple[Place, str]], at: datetime
) -> dict[tuple[str, str], int]:
    """The devices' ids, after their tokens were written."""
    newest = {(place.pass_type, place.library_id): token for place, token in wanted}
    rows = [
        {"pass_type": pass_type, "library_id": library_id, "push_token": token, "seen_at": at}
        for (pass_type, library_id), token in newest.items()
    ]
    statement = upsert(connection, devices)
    told = {name: statement.excluded[name] for name in ("push_token", "seen_at")}
    statement = statement.on_conflict_do_update(index_elements=["pass_type", "library_id"], set_=told)
    columns = (devices.c.id, devices.c.pass_type, devices.c.library_id)
    kept = connection.execute(statement.returning(*columns), rows)
    return {(row.pass_type, row.library_id): row.id for row in kept}


def _installed(connection: sa.Connection, pass_ids: Sequence[int], at: datetime) -> None:
    turned = connection.scalars(
        passes.update()
        .where(among(connection, passes.c.id, pass_ids), passes.c.status.not_in(("installed", "invalidated")))
        .values(status="installed", installed_at=at, wallets=["apple"])
        .returning(passes.c.id)
    )
    events = [pass_events.Event(pass_id, "installed", at, "apple") for pass_id in sorted(turned)]
    pass_events.add(connection, events)


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


def _asked(connection: sa.Connection, rows: Sequence[Sequence[str]], *more: str) -> sa.Subquery:
    columns = {name: sa.Text() for name in ("pass_type", "library_id", *more)}
    return as_table(connection, rows, columns).subquery()
