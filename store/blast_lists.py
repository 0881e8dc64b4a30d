"""The lists of a blast and of all blasts as queries: their columns, and the rows that a view shows, in order.

Columns are named as the commands print them. Rows themselves are read by store/deliveries.py.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from store import views
from store.filters import Column
from store.ledger import CHANNELS, STATES, STEPS, VERDICTS
from store.schema import arrivals, batches, blasts, deliveries, members, passes, programs
from store.views import View

_failed = deliveries.c.state == "failed"
_now = (
    sa.select(deliveries.c.batch_id, sa.func.count().label("failed_now"))
    .where(deliveries.c.blast_id == sa.bindparam("blast", type_=sa.BigInteger), _failed)
    .group_by(deliveries.c.batch_id)
    .subquery()
)
"""The deliveries of a blast that are failed now, by batch."""


def _delivery_columns() -> dict[str, Column]:
    c = deliveries.c
    return {
        "id": Column("number", c.id),
        "member": Column("text", members.c.external_id, joined=True),
        "name": Column("text", members.c.name, joined=True),
        "pass": Column("text", passes.c.provider_id, joined=True),
        "channel": Column("word", c.channel, CHANNELS),
        "state": Column("word", c.state, STATES),
        "reason": Column("word", c.reason),
        "detail": Column("text", c.detail),
        "why": Column("text", sa.func.coalesce(c.detail, c.reason)),
        "code": Column("text", c.code),
        "verdict": Column("word", c.verdict, VERDICTS),
        "attempts": Column("number", c.attempts),
        "text": Column("text", sa.func.coalesce(c.text, blasts.c.text), joined=True),
        "batch": Column("number", c.batch_id),
        "accepted_at": Column("moment", c.accepted_at),
        "listed_at": Column("moment", arrivals.c.listed_at, joined=True),
        "fetched_at": Column("moment", arrivals.c.fetched_at, joined=True),
        "has_users": Column("boolean", arrivals.c.has_users, joined=True),
    }


def _batch_columns() -> dict[str, Column]:
    numbers = ("id", "size", "accepted", "failed", "returned")
    return {
        **{key: Column("number", batches.c[key]) for key in numbers},
        "failed_now": Column("number", sa.func.coalesce(_now.c.failed_now, 0)),
        "claimed_at": Column("moment", batches.c.claimed_at),
        "settled_at": Column("moment", batches.c.settled_at),
        "worker": Column("text", batches.c.worker),
    }


def _counted(*states: str) -> sa.ColumnElement[int]:
    """How many deliveries of a blast are in one of these states; in any, without one."""
    c = deliveries.c
    query = sa.select(sa.func.count()).where(c.blast_id == blasts.c.id)
    return (query.where(c.state.in_(states)) if states else query).correlate(blasts).scalar_subquery()


def _blast_columns() -> dict[str, Column]:
    c = blasts.c
    return {
        "id": Column("number", c.id),
        "name": Column("text", c.name),
        "program": Column("text", programs.c.name),
        "text": Column("text", c.text),
        "audience": Column("text", c.audience),
        "purpose": Column("word", c.purpose),
        "category": Column("word", c.category),
        "state": Column("word", c.state, tuple(STEPS)),
        "urgent": Column("boolean", c.urgent),
        "planned": Column("number", _counted()),
        **{state: Column("number", _counted(state)) for state in ("accepted", "failed", "skipped")},
        **{key: Column("moment", c[key]) for key in ("planned_at", "send_at", "started_at", "finished_at")},
    }


DELIVERY_COLUMNS = _delivery_columns()
DELIVERIES_SEARCHED = ("member", "name", "pass")
BATCH_COLUMNS = _batch_columns()
BATCHES_SEARCHED = ("worker",)
BLAST_COLUMNS = _blast_columns()
BLASTS_SEARCHED = ("name", "text", "program")


def delivery_ids(
    connection: sa.Connection, wanted: sa.ColumnElement[bool], view: View, *, counted: bool = False
) -> sa.Select[int]:
    """The ids of deliveries that are wanted, as the view shows them; `counted`: only how many there are.

    Their own order is that of their passes, which an index gives.
    """
    query = sa.select(sa.func.count() if counted else deliveries.c.id).select_from(deliveries)
    if views.joined(DELIVERY_COLUMNS, view, DELIVERIES_SEARCHED):
        query = with_the_others(query)
    query = query.where(wanted, *views.conditions(connection, DELIVERY_COLUMNS, view, DELIVERIES_SEARCHED))
    own, tie = [deliveries.c.pass_id, deliveries.c.id], deliveries.c.id
    return query if counted else query.order_by(*views.ordering(DELIVERY_COLUMNS, view, own, tie))


def with_the_others(query: sa.Select[Any]) -> sa.Select[Any]:
    """A query over deliveries, joined with what belongs to each."""
    return (
        query.join(blasts, blasts.c.id == deliveries.c.blast_id)
        .join(passes, passes.c.id == deliveries.c.pass_id)
        .join(members, members.c.id == passes.c.member_id)
        .outerjoin(arrivals, arrivals.c.delivery_id == deliveries.c.id)
    )


def batch_ids(
    connection: sa.Connection, blast_id: int, view: View, *, counted: bool = False
) -> sa.Select[int]:
    """The ids of a blast's batches: those with most deliveries that are failed now first, then the newest."""
    query = sa.select(sa.func.count() if counted else batches.c.id).select_from(batches)
    query = query.where(batches.c.blast_id == blast_id)
    if not counted or view.filters:
        query = query.outerjoin(_now, _now.c.batch_id == batches.c.id).params(blast=blast_id)
    query = query.where(*views.conditions(connection, BATCH_COLUMNS, view, BATCHES_SEARCHED))
    own = (BATCH_COLUMNS["failed_now"].of.desc(), batches.c.id.desc())
    return query if counted else query.order_by(*views.ordering(BATCH_COLUMNS, view, own, batches.c.id))


def blast_ids(
    connection: sa.Connection,
    account: str,
    view: View,
    *,
    program_id: str | None = None,
    counted: bool = False,
) -> sa.Select[int]:
    """The ids of an account's blasts, or of those of one program, the newest first."""
    query = sa.select(sa.func.count() if counted else blasts.c.id).select_from(blasts)
    query = query.join(programs, programs.c.id == blasts.c.program_id).where(blasts.c.account == account)
    if program_id is not None:
        query = query.where(blasts.c.program_id == program_id)
    query = query.where(*views.conditions(connection, BLAST_COLUMNS, view, BLASTS_SEARCHED))
    own = [blasts.c.id.desc()]
    return query if counted else query.order_by(*views.ordering(BLAST_COLUMNS, view, own, blasts.c.id))
