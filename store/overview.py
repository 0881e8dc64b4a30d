"""What a look at everything at once needs: small queries, each by an index, over stores of any size.

Figures of whole stores stand in batches, not deliveries: there are a hundred times fewer of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import sqlalchemy as sa

from store.ledger import CHANNELS, STATES, Blast
from store.schema import batches, blasts, deliveries, imports, pacers, programs, tiers

OPEN = ("running", "held", "paused", "missed", "scheduled")
"""States of a blast that is neither a plan nor over."""
NEWEST = 500
"""Batches that were claimed last, among which is looked for what happens now."""
LAST = 20
"""Of these, so many are looked into for the last success."""
BLASTS_BACK = 200
"""Blasts that are looked through where the last batches know of none."""
ALERTING = ("ok", "unknown")
"""States of a design that does not keep phones from alerting, as far as is known."""


class Silent(NamedTuple):
    """A program some of whose designs cannot alert: `unable` of so many `designs`."""

    program_id: str
    name: str
    unable: int
    designs: int


class Rejects(NamedTuple):
    """An import of which rows were not used."""

    import_id: int
    program_id: str
    file: str
    rejected: int


def current_blasts(connection: sa.Connection, account: str, *, since: datetime) -> list[Blast]:
    """Blasts under way or waiting for somebody, and those finished since then; the newest first."""
    wanted = sa.or_(
        blasts.c.state.in_(OPEN), sa.and_(blasts.c.state == "finished", blasts.c.finished_at >= since)
    )
    query = sa.select(blasts).where(blasts.c.account == account, wanted).order_by(blasts.c.id.desc())
    return [Blast(**row._mapping) for row in connection.execute(query)]


def counts(connection: sa.Connection, blast_ids: Sequence[int]) -> dict[int, dict[tuple[str, str], int]]:
    """Deliveries of blasts by state and channel; what there is none of is left out."""
    kinds = (deliveries.c.blast_id, deliveries.c.state, deliveries.c.channel)
    query = sa.select(*kinds, sa.func.count()).where(deliveries.c.blast_id.in_(blast_ids)).group_by(*kinds)
    found: dict[int, dict[tuple[str, str], int]] = {blast_id: {} for blast_id in blast_ids}
    for blast_id, state, channel, count in connection.execute(query):
        found[blast_id][state, channel] = count
    return found


def failed(connection: sa.Connection, blast_ids: Sequence[int]) -> dict[int, int]:
    """How many deliveries of blasts are failed now; blasts without are left out."""
    query = (
        sa.select(deliveries.c.blast_id, sa.func.count())
        .where(deliveries.c.blast_id.in_(blast_ids), deliveries.c.state == "failed")
        .group_by(deliveries.c.blast_id)
    )
    return dict(connection.execute(query).all())


def paces(connection: sa.Connection, *, since: datetime, at: datetime) -> dict[int, float]:
    """Passes a second that blasts have sent lately, by the batches that were claimed since then."""
    newest = _newest(NEWEST)
    ended = sa.func.sum(newest.c.accepted + newest.c.failed)
    query = (
        sa.select(newest.c.blast_id, ended, sa.func.min(newest.c.claimed_at, type_=newest.c.claimed_at.type))
        .where(newest.c.claimed_at >= since)
        .group_by(newest.c.blast_id)
    )
    return {
        blast_id: count / max((at - first).total_seconds(), 1.0)
        for blast_id, count, first in connection.execute(query)
    }


def sending(connection: sa.Connection, *, since: datetime) -> dict[str, list[int]]:
    """Which blasts each worker sends, by its batches of since then that are not all settled."""
    newest = _newest(NEWEST)
    query = (
        sa.select(newest.c.worker, newest.c.blast_id)
        .where(newest.c.settled_at.is_(None), newest.c.claimed_at >= since)
        .distinct()
        .order_by(newest.c.worker, newest.c.blast_id)
    )
    found: dict[str, list[int]] = {}
    for worker, blast_id in connection.execute(query):
        found.setdefault(worker, []).append(blast_id)
    return found


def last_accepted(connection: sa.Connection, account: str) -> dict[str, datetime]:
    """When each channel last took a message; one that never did is left out.

    Of a channel that is not among the last batches it is the last delivery of its last blast.
    """
    # In two steps: in one, SQLite goes through the deliveries of all blasts.
    newest = _newest(LAST)
    mine = sa.select(newest.c.id).join(blasts, blasts.c.id == newest.c.blast_id)
    ids = connection.scalars(mine.where(blasts.c.account == account)).all()
    query = (
        sa.select(deliveries.c.channel, sa.func.max(deliveries.c.accepted_at, type_=_MOMENT))
        .where(
            deliveries.c.batch_id.in_(ids),
            deliveries.c.state == "accepted",
            deliveries.c.accepted_at.is_not(None),
        )
        .group_by(deliveries.c.channel)
    )
    found = dict(connection.execute(query).all())
    for channel in CHANNELS:
        if channel not in found and (at := _last_on(connection, account, channel)) is not None:
            found[channel] = at
    return found


def accepted_between(connection: sa.Connection, account: str, edges: Sequence[datetime]) -> list[int]:
    """Messages accepted between each moment and the next, by when they were claimed."""
    if len(edges) < 2:
        return []
    at = batches.c.claimed_at
    parts = [
        sa.func.coalesce(
            sa.func.sum(sa.case((sa.and_(at >= start, at < end), batches.c.accepted), else_=0)), 0
        )
        for start, end in pairwise(edges)
    ]
    then = sa.select(blasts.c.id).where(
        blasts.c.account == account,
        blasts.c.started_at < edges[-1],
        sa.or_(blasts.c.finished_at.is_(None), blasts.c.finished_at >= edges[0]),
    )
    return [
        int(sum_) for sum_ in connection.execute(sa.select(*parts).where(batches.c.blast_id.in_(then))).one()
    ]


def silent_programs(connection: sa.Connection, account: str) -> list[Silent]:
    """Programs with designs that cannot alert, by name."""
    unable = sa.func.sum(sa.case((tiers.c.message_field_state.not_in(ALERTING), 1), else_=0))
    query = (
        sa.select(programs.c.id, programs.c.name, unable, sa.func.count())
        .join(tiers, tiers.c.program_id == programs.c.id)
        .where(programs.c.account == account)
        .group_by(programs.c.id, programs.c.name)
        .having(unable > 0)
        .order_by(programs.c.name, programs.c.id)
    )
    return [Silent(*row) for row in connection.execute(query)]


def rejects(connection: sa.Connection, account: str, *, since: datetime) -> list[Rejects]:
    """Imports done since then that still stand, of which rows were not used; the newest first."""
    query = (
        sa.select(imports.c.id, imports.c.program_id, imports.c.file, imports.c.counts)
        .join(programs, programs.c.id == imports.c.program_id)
        .where(programs.c.account == account, imports.c.at >= since, imports.c.undone_at.is_(None))
        .order_by(imports.c.id.desc())
    )
    found = [Rejects(*row[:3], row.counts.get("rejected", 0)) for row in connection.execute(query)]
    return [one for one in found if one.rejected]


def pacer_state(connection: sa.Connection, name: str) -> dict[str, Any] | None:
    """What a pacer keeps; see jobs/engine/slots.py. None: nothing was ever sent by it."""
    state: dict[str, Any] | None = connection.execute(
        sa.select(pacers.c.state).where(pacers.c.name == name)
    ).scalar()
    return state


def how_many(connection: sa.Connection, account: str) -> tuple[int, int]:
    """Programs and blasts of an account."""
    number = (
        sa.select(sa.func.count()).select_from(table).where(table.c.account == account).scalar_subquery()
        for table in (programs, blasts)
    )
    known, planned = connection.execute(sa.select(*number)).one()
    return known, planned


_MOMENT = deliveries.c.accepted_at.type


def _newest(count: int) -> sa.Subquery:
    return sa.select(batches).order_by(batches.c.id.desc()).limit(count).subquery("newest")


def _last_on(connection: sa.Connection, account: str, channel: str) -> datetime | None:
    """By the end of an index: the last of a blast's accepted deliveries was nearly the last to leave."""
    newest = sa.select(blasts.c.id).where(blasts.c.account == account)
    newest = newest.order_by(blasts.c.id.desc()).limit(BLASTS_BACK)
    back = newest.subquery("back")
    its_own = (
        deliveries.c.blast_id == back.c.id,
        deliveries.c.state == "accepted",
        deliveries.c.channel == channel,
    )
    blast_id = connection.execute(
        sa.select(sa.func.max(back.c.id)).where(sa.exists().where(*its_own))
    ).scalar()
    last = (
        sa.select(deliveries.c.accepted_at)
        .where(
            deliveries.c.blast_id == blast_id,
            deliveries.c.state == "accepted",
            deliveries.c.channel == channel,
        )
        .order_by(deliveries.c.due_at.desc(), deliveries.c.id.desc())
        .limit(1)
    )
    at: datetime | None = connection.execute(last).scalar() if blast_id is not None else None
    return at


def states(counted: dict[tuple[str, str], int]) -> dict[str, int]:
    """What `counts` found of one blast, by state over all channels, zeros included."""
    found = dict.fromkeys(STATES, 0)
    for (state, _), count in counted.items():
        found[state] += count
    return found
