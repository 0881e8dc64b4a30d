"""Deliveries, batches and tries as people look at them: a page at a time, read only.

The states and their steps are the ledger's; nothing here writes. Functions take an open connection.
Pages are asked for by `offset`, or all `ids` at once and then the rows of some of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store import blast_lists, views
from store.arrivals import not_fetched, was_fetched
from store.errors import UsageError
from store.ledger import STATES
from store.schema import arrivals, attempts, batches, blasts, deliveries, members, passes, programs
from store.times import rfc3339
from store.views import Held, View


@dataclass(frozen=True, slots=True)
class Which:
    """Some of a blast's deliveries; what is None narrows nothing down.

    `fetched` asks only for those that Apple accepted, and whether a phone has fetched the pass with the
    message since.
    """

    state: str | None = None
    reason: str | None = None
    batch_id: int | None = None
    fetched: bool | None = None

    def of(self, blast_id: int) -> sa.ColumnElement[bool]:
        """What is true of those of that blast. Raises UsageError for a state that there is not."""
        if self.state is not None and self.state not in STATES:
            raise UsageError(f"a delivery is never {self.state!r}: choose from {', '.join(STATES)}")
        chosen = {name: getattr(self, name) for name in ("state", "reason", "batch_id")}
        conditions = [deliveries.c[name] == value for name, value in chosen.items() if value is not None]
        if self.fetched is not None:
            conditions.append(was_fetched() if self.fetched else not_fetched())
        return sa.and_(deliveries.c.blast_id == blast_id, *conditions)


@dataclass(frozen=True, slots=True)
class Batch:
    """The deliveries that one worker claimed together; `returned` ones went back to be tried again."""

    id: int
    worker: str
    claimed_at: datetime
    settled_at: datetime | None
    size: int
    accepted: int
    failed: int
    returned: int

    def as_json(self) -> dict[str, Any]:
        """The batch as commands print it."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return told | {name: rfc3339(told[name]) for name in ("claimed_at", "settled_at")}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try that did not end accepted, with the provider's own word for it."""

    at: datetime
    batch: int
    outcome: str
    reason: str | None
    detail: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class BlastRow:
    """A blast in a list: its program's name and time zone, and its deliveries by state, zeros included.

    `never_sent` of them are skipped because the blast was cancelled before their turn.
    """

    id: int
    name: str
    program: str
    time_zone: str | None
    state: str
    urgent: bool
    send_at: datetime | None
    started_at: datetime | None
    states: dict[str, int]
    never_sent: int

    @property
    def planned(self) -> int:
        """All its deliveries."""
        return sum(self.states.values())

    def as_json(self) -> dict[str, Any]:
        """The blast as an export writes it."""
        told = {name: getattr(self, name) for name in ("id", "name", "program", "state", "urgent")}
        moments = {name: rfc3339(getattr(self, name)) for name in ("send_at", "started_at")}
        return told | moments | {"planned": self.planned, **self.states, "never_sent": self.never_sent}


@dataclass(frozen=True, slots=True)
class Failure:
    """Failed deliveries of one reason; `detail` is the reason in the words of one of them.

    `code` is the provider's own; None where it gave none, or not the same for all of them.
    """

    reason: str
    detail: str | None
    count: int
    code: str | None = None


Figures = tuple[dict[str, int], int]
"""The states of a blast's deliveries, and how many of them were cancelled before their turn."""


def page(
    connection: sa.Connection,
    blast_id: int,
    which: Which = Which(),
    *,
    offset: int = 0,
    limit: int = 100,
    view: View = View(),  # noqa: B008 (it never changes)
    held: Held | None = None,
) -> list[dict[str, Any]]:
    """Deliveries of a blast as the commands print them, in the order of their passes or as the view has it.

    `accepted_at`, `listed_at` and `fetched_at` are RFC 3339 or None, `text` the member's own or the blast's.
    Raises UsageError for a state that there is not.
    """
    query = blast_lists.delivery_ids(connection, which.of(blast_id), view)
    return by_ids(connection, views.window(connection, query, offset, limit, held))


def count(
    connection: sa.Connection,
    blast_id: int,
    which: Which = Which(),
    *,
    view: View = View(),  # noqa: B008
    held: Held | None = None,
) -> int:
    """How many deliveries `page` would give in all."""
    query = blast_lists.delivery_ids(connection, which.of(blast_id), view, counted=True)
    return views.total(connection, query, held)


def ids(
    connection: sa.Connection,
    blast_id: int,
    which: Which = Which(),
    *,
    view: View = View(),  # noqa: B008
) -> array[int]:
    """The ids of all deliveries that `page` would give, in its order."""
    return views.every_id(connection, blast_lists.delivery_ids(connection, which.of(blast_id), view))


def by_ids(connection: sa.Connection, found: Sequence[int]) -> list[dict[str, Any]]:
    """These deliveries as `page` gives them, in the order of the ids."""
    rows = views.in_order(connection, _rows(), deliveries.c.id, found)
    return [_spelled(row._mapping) for row in rows]


def get(connection: sa.Connection, delivery_id: int) -> tuple[dict[str, Any], list[Attempt]]:
    """One delivery as `page` gives it, with `verdict` and `due_at`, and its tries, the oldest first."""
    more = (deliveries.c.verdict, deliveries.c.due_at)
    row = connection.execute(_rows(*more).where(deliveries.c.id == delivery_id)).mappings().first()
    if row is None:
        raise UsageError(f"there is no delivery {delivery_id}")
    columns = [attempts.c[name] for name in ("at", "batch_id", "outcome", "reason", "detail", "code")]
    tried = sa.select(*columns).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.id)
    found = _spelled(row) | {"due_at": rfc3339(row["due_at"])}
    return found, [Attempt(*one) for one in connection.execute(tried)]


def batch_page(
    connection: sa.Connection,
    blast_id: int,
    *,
    offset: int = 0,
    limit: int = 100,
    view: View = View(),  # noqa: B008
    held: Held | None = None,
) -> list[Batch]:
    """Batches of a blast: those with most deliveries that are failed now first, then the newest."""
    query = blast_lists.batch_ids(connection, blast_id, view)
    return batches_by_ids(connection, views.window(connection, query, offset, limit, held))


def batches_by_ids(connection: sa.Connection, found: Sequence[int]) -> list[Batch]:
    """These batches, in the order of the ids."""
    columns = [batches.c[name] for name in Batch.__slots__]
    return [Batch(*row) for row in views.in_order(connection, sa.select(*columns), batches.c.id, found)]


def batch_count(
    connection: sa.Connection,
    blast_id: int,
    *,
    view: View = View(),  # noqa: B008
    held: Held | None = None,
) -> int:
    """How many batches a blast has."""
    return views.total(connection, blast_lists.batch_ids(connection, blast_id, view, counted=True), held)


def blast_page(
    connection: sa.Connection,
    account: str,
    *,
    offset: int = 0,
    limit: int = 100,
    known: dict[tuple[int, datetime], Figures] | None = None,
    view: View = View(),  # noqa: B008
) -> list[BlastRow]:
    """Blasts of an account with their figures, the newest first.

    `known` keeps the figures of ended blasts, by id and end, for a caller who asks again and again.
    """
    found = views.window(connection, blast_lists.blast_ids(connection, account, view), offset, limit, None)
    return blasts_by_ids(connection, found, known=known)


def blasts_by_ids(
    connection: sa.Connection,
    wanted: Sequence[int],
    *,
    known: dict[tuple[int, datetime], Figures] | None = None,
) -> list[BlastRow]:
    """These blasts with their figures, in the order of the ids; `known` is as for `blast_page`."""
    query = sa.select(blasts, programs.c.name.label("program"), programs.c.time_zone)
    query = query.join(programs, programs.c.id == blasts.c.program_id)
    rows = views.in_order(connection, query, blasts.c.id, wanted)
    kept = {} if known is None else known
    states = figures(connection, [row.id for row in rows if (row.id, row.finished_at) not in kept])
    never = _never_sent(connection, [row.id for row in rows if row.state == "cancelled" and row.id in states])
    found = []
    for row in rows:
        counted = kept.get((row.id, row.finished_at)) or (states[row.id], never.get(row.id, 0))
        if row.state in ("finished", "cancelled") and not counted[0]["sending"]:
            kept[row.id, row.finished_at] = counted
        facts = (row.program, row.time_zone, row.state, row.urgent, row.send_at, row.started_at)
        found.append(BlastRow(row.id, row.name, *facts, *counted))
    return found


def _never_sent(connection: sa.Connection, blast_ids: list[int]) -> dict[int, int]:
    """Of cancelled blasts: deliveries that were skipped since their turn had not come."""
    query = (
        sa.select(deliveries.c.blast_id, sa.func.count().label("number"))
        .where(
            deliveries.c.blast_id.in_(blast_ids),
            deliveries.c.state == "skipped",
            deliveries.c.reason == "cancelled",
        )
        .group_by(deliveries.c.blast_id)
    )
    return {row.blast_id: row.number for row in connection.execute(query)} if blast_ids else {}


def blast_count(connection: sa.Connection, account: str, *, view: View = View()) -> int:  # noqa: B008
    """How many blasts an account has."""
    return views.total(connection, blast_lists.blast_ids(connection, account, view, counted=True), None)


def figures(connection: sa.Connection, blast_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """The deliveries of several blasts by state, zeros included."""
    found = {blast_id: dict.fromkeys(STATES, 0) for blast_id in blast_ids}
    query = (
        sa.select(deliveries.c.blast_id, deliveries.c.state, sa.func.count())
        .where(deliveries.c.blast_id.in_(list(found)))
        .group_by(deliveries.c.blast_id, deliveries.c.state)
    )
    for blast_id, state, number in connection.execute(query):
        found[blast_id][state] = number
    return found


def failures(connection: sa.Connection, blast_id: int, *, batch_id: int | None = None) -> list[Failure]:
    """Why deliveries of a blast failed, the commonest reason first."""
    number = sa.func.count()
    reason = sa.func.coalesce(deliveries.c.reason, "unknown")
    code = sa.func.min(deliveries.c.code)
    one_code = sa.case((code == sa.func.max(deliveries.c.code), code))
    query = (
        sa.select(reason, sa.func.min(deliveries.c.detail), number, one_code)
        .where(Which("failed", batch_id=batch_id).of(blast_id))
        .group_by(reason)
        .order_by(number.desc(), reason)
    )
    return [Failure(*row) for row in connection.execute(query)]


def failures_of_batches(
    connection: sa.Connection, blast_id: int, batch_ids: Sequence[int]
) -> dict[int, list[Failure]]:
    """Why deliveries are failed now, by batch, reason and code, the commonest first; others are left out."""
    number = sa.func.count()
    reason = sa.func.coalesce(deliveries.c.reason, "unknown")
    batch, code = deliveries.c.batch_id, deliveries.c.code
    query = (
        sa.select(batch, reason, sa.func.min(deliveries.c.detail), number, code)
        .where(Which("failed").of(blast_id), batch.in_(batch_ids))
        .group_by(batch, reason, code)
        .order_by(batch, number.desc(), reason, code)
    )
    found: dict[int, list[Failure]] = {}
    for batch_id, *failure in connection.execute(query):
        found.setdefault(batch_id, []).append(Failure(*failure))
    return found


def _rows(*more: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return blast_lists.with_the_others(
        sa.select(
            deliveries.c.id,
            members.c.external_id.label("member"),
            members.c.name,
            passes.c.provider_id.label("pass"),
            passes.c.channel,
            deliveries.c.state,
            deliveries.c.reason,
            deliveries.c.detail,
            deliveries.c.code,
            deliveries.c.attempts,
            sa.func.coalesce(deliveries.c.text, blasts.c.text).label("text"),
            deliveries.c.batch_id.label("batch"),
            deliveries.c.accepted_at,
            *(arrivals.c[name] for name in ("listed_at", "fetched_at", "has_users")),
            *more,
        ).select_from(deliveries)
    )


def _spelled(row: sa.RowMapping) -> dict[str, Any]:
    return {**row} | {name: rfc3339(row[name]) for name in ("accepted_at", "listed_at", "fetched_at")}
