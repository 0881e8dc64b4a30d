"""Members and their passes: written by a sync a page at a time, read a screen at a time."""

from __future__ import annotations

import difflib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from store import consents, preferences, suppressions, views
from store.errors import UsageError
from store.filters import contains
from store.member_list import COLUMNS, SEARCHED
from store.programs import INACTIVE
from store.schema import blasts, deliveries, issued, members, passes, registrations
from store.times import rfc3339
from store.views import Held, View

CHANNEL = "passkit"
ORDERS: dict[str, sa.ColumnElement[Any]] = {
    name: members.c[name]
    for name in ("name", "external_id", "email", "tier_id", "points", "tier_points", "birthday", "status")
} | {"created_at": members.c.created_at, "updated_at": members.c.updated_at}
"""What a list can be ordered by without a view."""

INDEXED = ("name", "external_id")
"""Of those, what an index gives in order."""
LAST_DELIVERIES = 20


@dataclass(frozen=True, slots=True)
class Pass:
    """One addressable pass of a member.

    status   issued | installed | uninstalled | invalidated | gone | unknown
    wallets  "apple", "google", "other"; empty where not known
    shown_text  the message field's present value, as far as we know; shown_at: when we put it there
    """

    id: int
    member_id: int
    channel: str
    provider_id: str
    status: str
    wallets: tuple[str, ...]
    installed_at: datetime | None
    shown_text: str | None
    shown_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The pass as the commands print it."""
        return {
            "id": self.provider_id,
            "channel": self.channel,
            "status": self.status,
            "wallets": list(self.wallets),
            "installed_at": rfc3339(self.installed_at),
            "shown_text": self.shown_text,
            "shown_at": rfc3339(self.shown_at),
        }


@dataclass(frozen=True, slots=True)
class Member:
    """A holder in a program, with the passes that hold it. `id` is ours, `external_id` the operator's."""

    id: int
    program_id: str
    external_id: str
    name: str
    email: str | None
    phone: str | None
    tier_id: str | None
    points: float | None
    secondary_points: float | None
    tier_points: int | None
    birthday: date | None
    locale: str | None
    time_zone: str | None
    status: str
    opted_out: bool
    expires_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None
    attributes: Mapping[str, Any]
    synced_at: datetime | None
    passes: tuple[Pass, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The member as the commands print it."""
        return {
            "program": self.program_id,
            "external_id": self.external_id,
            "name": self.name,
            "email": self.email,
            "phone": self.phone,
            "tier": self.tier_id,
            "points": self.points,
            "secondary_points": self.secondary_points,
            "tier_points": self.tier_points,
            "birthday": self.birthday.isoformat() if self.birthday else None,
            "locale": self.locale,
            "time_zone": self.time_zone,
            "status": self.status,
            "opted_out": self.opted_out,
            "expires_at": rfc3339(self.expires_at),
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "synced_at": rfc3339(self.synced_at),
            "attributes": dict(self.attributes),
            "passes": [one.as_json() for one in self.passes],
        }


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a program's messages get. Each figure counts members who have not left.

    members        all of them
    opted_out      want no messages
    not_installed  the others whose pass is in no wallet
    google_only    of those whose pass is installed: in Google Wallet and not in Apple's
    """

    members: int
    opted_out: int
    not_installed: int
    google_only: int


def page(
    connection: sa.Connection,
    program_id: str,
    *,
    condition: sa.ColumnElement[bool] | None = None,
    search: str = "",
    order: str = "name",
    descending: bool = False,
    offset: int = 0,
    limit: int = 100,
    view: View = View(),  # noqa: B008 (it never changes)
    held: Held | None = None,
) -> list[Member]:
    """One screen of members with their passes. Raises UsageError for an order that there is not.

    `search` is looked for, case-blind, anywhere in name, external id, email and phone. Members without
    a value in the column ordered by come last. `view` goes over `order`, and adds to all that is asked.
    """
    query = _query(connection, program_id, condition, search, view, (order, descending))
    return by_ids(connection, views.window(connection, query, offset, limit, held))


def count(
    connection: sa.Connection,
    program_id: str,
    *,
    condition: sa.ColumnElement[bool] | None = None,
    search: str = "",
    view: View = View(),  # noqa: B008
    held: Held | None = None,
) -> int:
    """How many members `page` would give in all."""
    scope = _scope(connection, program_id, condition, search, view)
    return views.total(connection, sa.select(sa.func.count()).select_from(members).where(*scope), held)


def ids(
    connection: sa.Connection,
    program_id: str,
    *,
    condition: sa.ColumnElement[bool] | None = None,
    search: str = "",
    view: View = View(),  # noqa: B008
) -> array[int]:
    """The ids of all members that `page` would give, in its order."""
    query = _query(connection, program_id, condition, search, view, ("name", False))
    return views.every_id(connection, query)


def by_ids(connection: sa.Connection, found: Sequence[int]) -> list[Member]:
    """These members with their passes, in the order of the ids; those that are gone are left out."""
    held = _passes_of(connection, found)
    return [
        Member(**row._mapping, passes=held.get(row.id, ()))
        for row in views.in_order(connection, _columns(), members.c.id, found)
    ]


def reach(connection: sa.Connection, program_id: str) -> Reach:
    """How many of a program's members a message can get to."""
    wallets = sa.cast(passes.c.wallets, sa.Text)
    mine = sa.and_(passes.c.member_id == members.c.id, passes.c.status == "installed")
    installed = sa.exists().where(mine)
    elsewhere = sa.exists().where(mine, ~sa.and_(wallets.contains("google"), ~wallets.contains("apple")))
    wanted = members.c.opted_out.is_(False)
    query = sa.select(
        sa.func.count(),
        sa.func.count().filter(members.c.opted_out),
        sa.func.count().filter(wanted, ~installed),
        sa.func.count().filter(wanted, installed, ~elsewhere),
    ).where(members.c.program_id == program_id, members.c.status.not_in(INACTIVE))
    return Reach(*connection.execute(query).one())


def get(connection: sa.Connection, program_id: str, external_id: str) -> Member:
    """The member with this external id. Raises UsageError with near ids where there is none."""
    row = connection.execute(
        _columns().where(members.c.program_id == program_id, members.c.external_id == external_id)
    ).first()
    if row is None:
        near = _near(connection, program_id, external_id)
        hint = f"; near: {', '.join(near)}" if near else ""
        raise UsageError(f"there is no member {external_id!r} in this program{hint}")
    return Member(**row._mapping, passes=_passes_of(connection, [row.id]).get(row.id, ()))


def show(connection: sa.Connection, program_id: str, external_id: str) -> dict[str, Any]:
    """All that is known of one member, as JSON: its passes, what holds of what it said, who keeps messages
    from it, and the last deliveries."""
    member = get(connection, program_id, external_id)
    query = (
        sa.select(deliveries, blasts.c.name.label("blast_name"), blasts.c.text.label("blast_text"))
        .add_columns(passes.c.provider_id, passes.c.channel)
        .join(passes, passes.c.id == deliveries.c.pass_id)
        .join(blasts, blasts.c.id == deliveries.c.blast_id)
        .where(passes.c.member_id == member.id)
        .order_by(deliveries.c.id.desc())
        .limit(LAST_DELIVERIES)
    )
    last = [
        {
            "blast": row.blast_id,
            "name": row.blast_name,
            "pass": row.provider_id,
            "channel": row.channel,
            "state": row.state,
            "reason": row.reason,
            "detail": row.detail,
            "verdict": row.verdict,
            "attempts": row.attempts,
            "text": row.text if row.text is not None else row.blast_text,
            "accepted_at": rfc3339(row.accepted_at),
        }
        for row in connection.execute(query)
    ]
    ours = _issued(connection, [one.id for one in member.passes])
    return member.as_json() | {
        "passes": [one.as_json() | ours.get(one.id, {}) for one in member.passes],
        "consents": {
            purpose: one.as_json() for purpose, one in consents.latest(connection, member.id).items()
        },
        "preferences": preferences.get(connection, member.id).as_json(),
        "suppressed": [one.as_json() for one in suppressions.of_member(connection, member.id)],
        "deliveries": last,
    }


def _columns() -> sa.Select[Any]:
    return sa.select(*(column for column in members.c if column.name != "imported"))


def _query(
    connection: sa.Connection,
    program_id: str,
    condition: sa.ColumnElement[bool] | None,
    search: str,
    view: View,
    order: tuple[str, bool],
) -> sa.Select[int]:
    scope = _scope(connection, program_id, condition, search, view)
    # Every index holds the id, so that those with the column are read alone; with names stands the other one.
    tie = members.c.external_id if view.order == "name" else members.c.id
    ordering = views.ordering(COLUMNS, view, _ordering(*order), tie)
    if view.filters and connection.dialect.name == "sqlite" and (view.order or order[0]) in INDEXED:
        # Else SQLite goes through all members in their order, one by one, to find those that are asked for:
        # where few are, that takes a hundred times as long as finding them first.
        column = members.c[view.order or order[0]].op("||")("")
        descending = view.descending if view.order else order[1]
        ordering[0] = column.desc() if descending else column.asc()
        if any(COLUMNS[key].having for key, _ in view.filters):
            # In the order of names their passes would lie all over the table: that takes three times as long.
            scope = [members.c.id.in_(sa.select(members.c.id).where(*scope).correlate(None))]
    return sa.select(members.c.id).where(*scope).order_by(*ordering)


def _scope(
    connection: sa.Connection,
    program_id: str,
    condition: sa.ColumnElement[bool] | None,
    search: str,
    view: View,
) -> list[sa.ColumnElement[bool]]:
    scope = [members.c.program_id == program_id, *views.conditions(connection, COLUMNS, view, SEARCHED)]
    if condition is not None:
        scope.append(condition)
    if search:
        columns = (COLUMNS[key].of for key in SEARCHED)
        scope.append(sa.or_(*(contains(column, search, connection.dialect.name) for column in columns)))
    return scope


def _ordering(order: str, descending: bool) -> list[sa.ColumnElement[Any]]:
    if order not in ORDERS:
        raise UsageError(f"members cannot be ordered by {order!r}: choose from {', '.join(ORDERS)}")
    column = ORDERS[order]
    directed = column.desc() if descending else column.asc()
    if members.c[order].nullable:
        directed = directed.nulls_last()
    tie = members.c.external_id
    return [directed, tie.desc() if descending else tie.asc()]


def pass_in_a_word(member: Member) -> str:
    """Whether a message can get to the member: why not, else `installed`, else what the first pass is."""
    if member.opted_out:
        return "opted out"
    if member.status in INACTIVE:
        return member.status.lower()
    states = [one.status for one in member.passes]
    return "installed" if "installed" in states else states[0] if states else "no pass"


def _passes_of(connection: sa.Connection, member_ids: Sequence[int]) -> dict[int, tuple[Pass, ...]]:
    names = [passes.c[name] for name in Pass.__dataclass_fields__]
    query = sa.select(*names).where(passes.c.member_id.in_(member_ids)).order_by(passes.c.id)
    held: dict[int, tuple[Pass, ...]] = {}
    for row in connection.execute(query):
        one = Pass(**{**row._mapping, "wallets": tuple(row.wallets)})
        held[one.member_id] = (*held.get(one.member_id, ()), one)
    return held


def _issued(connection: sa.Connection, pass_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Of passes that we issued: their serials, and how many devices hold them, as far as those tell."""
    query = (
        sa.select(issued.c.pass_id, issued.c.serial, sa.func.count(registrations.c.device_id))
        .join(registrations, registrations.c.pass_id == issued.c.pass_id, isouter=True)
        .where(issued.c.pass_id.in_(pass_ids))
        .group_by(issued.c.pass_id, issued.c.serial)
    )
    return {id_: {"serial": serial, "devices": count} for id_, serial, count in connection.execute(query)}


def _near(connection: sa.Connection, program_id: str, external_id: str) -> list[str]:
    """Up to three ids like this one, among those that share its first characters."""
    for length in (len(external_id) - 1, len(external_id) // 2, 1):
        head = external_id[:length] if length > 0 else ""
        if not head:
            break
        query = (
            sa.select(members.c.external_id)
            .where(
                members.c.program_id == program_id,
                contains(members.c.external_id, head, connection.dialect.name, starts=True),
            )
            .limit(1_000)
        )
        some = [found for (found,) in connection.execute(query)]
        if near := difflib.get_close_matches(external_id, some, n=3, cutoff=0.5):
            return near
    return []
