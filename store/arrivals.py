"""How far a message came beyond the provider's yes: put on the pass, asked for, fetched; or held by users.

Apple: a push carries nothing. The phone asks which passes have changed, and fetches them: a fetch of the
pass with the message on it is the last that a server can know (Apple, "Adding a Web Service to Update
Passes"). Google: whether anybody has saved the pass. PassKit: nothing beyond its yes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.database import among, as_table, kept, later, spread, upsert
from store.issued import modified, next_tag
from store.schema import BigId, arrivals, deliveries, issued, passes
from store.times import Moment, rfc3339

COUNTED_HOURS = 48
"""Who fetches later than this after the push is not counted: phones look by themselves once a day."""

STEPS = {
    "passkit": ("accepted",),
    "apple": ("accepted", "listed", "fetched"),
    "google": ("accepted", "has_users"),
}
"""What can be known on each channel, in order; the last of each is the last that can be known."""


@dataclass(frozen=True, slots=True)
class Message:
    """A text that is about to be put on a pass."""

    delivery_id: int
    pass_id: int
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """How many deliveries came so far, and when the first and the last of them did."""

    count: int
    first_at: datetime | None = None
    last_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """The step as the commands print it."""
        return {"count": self.count, "first_at": rfc3339(self.first_at), "last_at": rfc3339(self.last_at)}


@dataclass(frozen=True, slots=True)
class Funnel:
    """By channel: deliveries that were planned, and each step of STEPS."""

    planned: Mapping[str, int]
    steps: Mapping[str, Mapping[str, Step]]

    def as_json(self) -> dict[str, Any]:
        """The funnel as the commands print it."""
        return {
            channel: {
                "planned": count,
                **{name: step.as_json() for name, step in self.steps[channel].items()},
                "last_step": STEPS[channel][-1],
            }
            for channel, count in self.planned.items()
        }


def put_texts(connection: sa.Connection, messages: Sequence[Message], *, at: datetime) -> None:
    """Put texts on passes of ours, a new tag with them. Phones may be told once this is committed.

    A text that a pass shows already changes nothing: a phone would see no difference.
    """
    tag = next_tag(connection)
    wanted = {message.pass_id: message for message in messages}
    query = sa.select(passes.c.id, passes.c.shown_text, issued.c.message_tag).join(
        issued, issued.c.pass_id == passes.c.id
    )
    present = {
        row.id: (row.shown_text, row.message_tag)
        for row in connection.execute(query.where(among(connection, passes.c.id, list(wanted))))
    }
    new = [one for id_, one in wanted.items() if id_ in present and present[id_][0] != one.text]
    if new:
        by_text: dict[str, list[int]] = {}
        for one in new:
            by_text.setdefault(one.text, []).append(one.pass_id)
        if len(by_text) == 1:
            change: Any = passes.update().where(among(connection, passes.c.id, by_text[new[0].text]))
            connection.execute(change.values(shown_text=new[0].text, shown_at=at))
        else:
            rows = as_table(
                connection, [(one.pass_id, one.text) for one in new], {"pass_id": BigId, "text": sa.Text()}
            ).subquery()
            change = passes.update().where(passes.c.id == rows.c.pass_id)
            connection.execute(change.values(shown_text=rows.c.text, shown_at=at))
        connection.execute(
            issued.update()
            .where(among(connection, issued.c.pass_id, [one.pass_id for one in new]))
            .values(tag=tag, message_tag=tag, changed_at=modified(connection, at))
        )
    fresh = {one.pass_id for one in new}
    arrived = [
        {
            "delivery_id": one.delivery_id,
            "pass_id": one.pass_id,
            "tag": tag if one.pass_id in fresh else present[one.pass_id][1],
        }
        for one in messages
        if one.pass_id in present
    ]
    if arrived:
        connection.execute(upsert(connection, arrivals).on_conflict_do_nothing(), arrived)


def note_listed(connection: sa.Connection, pass_ids: Iterable[int], *, at: datetime) -> None:
    """A phone asked what has changed and was told of these passes."""
    present = sa.select(issued.c.message_tag).where(issued.c.pass_id == arrivals.c.pass_id).scalar_subquery()
    connection.execute(
        arrivals.update()
        .where(
            among(connection, arrivals.c.pass_id, list(pass_ids)),
            arrivals.c.listed_at.is_(None),
            arrivals.c.tag == present,
        )
        .values(listed_at=at)
    )


def note_fetched(connection: sa.Connection, pass_id: int, *, tag: int, at: datetime) -> None:
    """A phone was given the pass as it was at this tag: with the newest message up to then."""
    note_fetched_all(connection, [(pass_id, tag)], at=at)


def note_fetched_all(connection: sa.Connection, served: Sequence[tuple[int, int]], *, at: datetime) -> None:
    """The same for many: passes, each with the tag that was served."""
    connection.execute(_note_fetched(connection), {"served": json.dumps(list(served)), "at": at})


@kept
def _note_fetched(connection: sa.Connection) -> sa.Update:
    document, at = sa.bindparam("served", type_=sa.Text), sa.bindparam("at", type_=Moment())
    rows = spread(connection, document, {"pass_id": BigId, "tag": sa.BigInteger()}).subquery()
    older = arrivals.alias("older")
    newest = sa.select(sa.func.max(older.c.tag)).where(
        older.c.pass_id == rows.c.pass_id, older.c.tag <= rows.c.tag
    )
    shown = sa.exists().where(
        rows.c.pass_id == arrivals.c.pass_id, arrivals.c.tag == newest.correlate(rows).scalar_subquery()
    )
    return (
        arrivals.update()
        .where(arrivals.c.pass_id.in_(sa.select(rows.c.pass_id)), arrivals.c.fetched_at.is_(None), shown)
        .values(fetched_at=at, listed_at=sa.func.coalesce(arrivals.c.listed_at, at))
    )


def awaited(connection: sa.Connection, pass_ids: Iterable[int]) -> set[int]:
    """Those of these passes with a message that nobody has fetched yet: for all others there is nothing to
    note, and no transaction is worth it."""
    asked = {"asked": json.dumps([[pass_id] for pass_id in pass_ids])}
    return set(connection.scalars(_awaited(connection), asked))


@kept
def _awaited(connection: sa.Connection) -> sa.Select[int]:
    asked = spread(connection, sa.bindparam("asked", type_=sa.Text), {"pass_id": BigId}).subquery()
    query = sa.select(arrivals.c.pass_id).join(asked, asked.c.pass_id == arrivals.c.pass_id)
    return query.where(arrivals.c.fetched_at.is_(None))


def note_has_users(connection: sa.Connection, delivery_id: int, pass_id: int, has_users: bool) -> None:
    """Google's answer said whether anybody has saved the pass."""
    row = {"delivery_id": delivery_id, "pass_id": pass_id, "has_users": has_users}
    statement = upsert(connection, arrivals).values(**row)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["delivery_id"], set_={"has_users": has_users})
    )


def fetched(connection: sa.Connection, delivery_ids: Sequence[int]) -> frozenset[int]:
    """Those of these deliveries whose text a phone has fetched."""
    query = sa.select(arrivals.c.delivery_id).where(
        among(connection, arrivals.c.delivery_id, delivery_ids), arrivals.c.fetched_at.is_not(None)
    )
    return frozenset(connection.scalars(query))


def was_fetched() -> sa.ColumnElement[bool]:
    """A condition on `deliveries`: a phone has fetched the pass with the message."""
    fetched_at = sa.exists().where(
        arrivals.c.delivery_id == deliveries.c.id, arrivals.c.fetched_at.is_not(None)
    )
    return sa.and_(deliveries.c.channel == "apple", deliveries.c.state == "accepted", fetched_at)


def not_fetched() -> sa.ColumnElement[bool]:
    """A condition on `deliveries`: accepted by Apple, and no phone has fetched the pass with it since."""
    return sa.and_(deliveries.c.channel == "apple", deliveries.c.state == "accepted", ~was_fetched())


def funnel(connection: sa.Connection, blast_id: int) -> Funnel:
    """How far a blast's deliveries came, counted from the ledger."""
    accepted = deliveries.c.state == "accepted"
    in_time = arrivals.c.fetched_at <= later(connection, deliveries.c.accepted_at, COUNTED_HOURS * 3600)
    reached: dict[str, tuple[sa.ColumnElement[bool], sa.ColumnElement[Any]]] = {
        "accepted": (accepted, deliveries.c.accepted_at),
        "listed": (sa.and_(accepted, arrivals.c.listed_at.is_not(None)), arrivals.c.listed_at),
        "fetched": (sa.and_(accepted, in_time), arrivals.c.fetched_at),
        "has_users": (sa.and_(accepted, arrivals.c.has_users), deliveries.c.accepted_at),
    }
    columns: list[sa.ColumnElement[Any]] = [deliveries.c.channel, sa.func.count().label("planned")]
    for name, (condition, moment) in reached.items():
        columns.append(sa.func.count(sa.case((condition, 1))).label(name))
        columns.append(sa.func.min(sa.case((condition, moment))).label(f"{name}_first"))
        columns.append(sa.func.max(sa.case((condition, moment))).label(f"{name}_last"))
    query = (
        sa.select(*columns)
        .select_from(deliveries)
        .outerjoin(arrivals, arrivals.c.delivery_id == deliveries.c.id)
        .where(deliveries.c.blast_id == blast_id)
        .group_by(deliveries.c.channel)
        .order_by(deliveries.c.channel)
    )
    planned: dict[str, int] = {}
    steps: dict[str, dict[str, Step]] = {}
    for row in connection.execute(query).mappings():
        planned[row["channel"]] = row["planned"]
        steps[row["channel"]] = {
            name: Step(row[name], row[f"{name}_first"], row[f"{name}_last"]) for name in STEPS[row["channel"]]
        }
    return Funnel(planned, steps)
