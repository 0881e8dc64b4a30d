"""Withdrawals of marketing that PassKit has yet to be told, and how the telling went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from store.database import among, upsert
from store.due import take_up
from store.members import CHANNEL
from store.schema import members, opt_outs_due, passes, programs

NOT_FOR_FLIGHTS = "PassKit keeps no opt-out for boarding passes"
NO_PASS = "PassKit knows no pass of this member any more"


@dataclass(frozen=True, slots=True)
class Due:
    """One member's opt-out that a worker has taken up to tell.

    provider_ids  of the member's passes, each of which has a flag of its own
    since         of which withdrawal this is: a later one is told again
    """

    member_id: int
    kind: str
    program_id: str
    external_id: str
    tier_id: str
    provider_ids: tuple[str, ...]
    since: datetime
    attempts: int


def note(connection: sa.Connection, member_ids: Sequence[int], *, at: datetime) -> None:
    """These members have withdrawn marketing here: PassKit is to be told, where it does not know it.

    Of members of our own programs it knows nothing.
    """
    holders = (
        sa.select(members.c.id, programs.c.kind)
        .join(programs, programs.c.id == members.c.program_id)
        .where(
            among(connection, members.c.id, member_ids),
            members.c.opted_out.is_(False),
            programs.c.issuer == "passkit",
        )
    )
    rows = [
        {
            "member_id": row.id,
            "since": at,
            "due_at": None if row.kind == "flight" else at,
            "attempts": 0,
            "detail": NOT_FOR_FLIGHTS if row.kind == "flight" else None,
        }
        for row in connection.execute(holders)
    ]
    if rows:
        statement = upsert(connection, opt_outs_due)
        new = {name: statement.excluded[name] for name in ("since", "due_at", "attempts", "detail")}
        connection.execute(statement.on_conflict_do_update(index_elements=["member_id"], set_=new), rows)


def drop(connection: sa.Connection, member_ids: Sequence[int]) -> None:
    """These members have given marketing again: there is nothing to tell."""
    connection.execute(opt_outs_due.delete().where(among(connection, opt_outs_due.c.member_id, member_ids)))


def state(connection: sa.Connection, member_id: int) -> dict[str, Any] | None:
    """How the telling stands: `waiting` or `cannot`, tries and reason; None where nothing is to be told."""
    row = connection.execute(sa.select(opt_outs_due).where(opt_outs_due.c.member_id == member_id)).first()
    if row is None:
        return None
    told = "cannot" if row.due_at is None else "waiting"
    return {"state": told, "attempts": row.attempts, "detail": row.detail}


def any_due(connection: sa.Connection, account: str, *, at: datetime) -> bool:
    """Whether there is something to tell now."""
    return connection.execute(_due(account, at).limit(1)).first() is not None


def take(connection: sa.Connection, account: str, *, at: datetime, lease: timedelta, limit: int) -> list[Due]:
    """Take up some that are due. They are due again after the lease, should their worker die."""
    waiting = _due(account, at)
    rows = take_up(connection, waiting, opt_outs_due.c.member_id, at=at, lease=lease, limit=limit)
    ids = [row.member_id for row in rows]
    held: dict[int, list[str]] = {}
    for member_id, provider_id in connection.execute(
        sa.select(passes.c.member_id, passes.c.provider_id)
        .where(among(connection, passes.c.member_id, ids))
        .where(passes.c.channel == CHANNEL, passes.c.status != "gone")
        .order_by(passes.c.id)
    ):
        held.setdefault(member_id, []).append(provider_id)
    return [
        Due(
            row.member_id,
            row.kind,
            row.program_id,
            row.external_id,
            row.tier_id or "",
            tuple(held.get(row.member_id, ())),
            row.since,
            row.attempts + 1,
        )
        for row in rows
    ]


def told(connection: sa.Connection, due: Due) -> None:
    """PassKit knows it now, and so do we: the flag is what it would tell in the next sync."""
    connection.execute(_same(opt_outs_due.delete(), due))
    connection.execute(members.update().where(members.c.id == due.member_id).values(opted_out=True))


def failed(connection: sa.Connection, due: Due, *, detail: str, due_at: datetime | None) -> None:
    """It could not be told: again at `due_at`, or never."""
    connection.execute(_same(opt_outs_due.update(), due).values(detail=detail[:200], due_at=due_at))


def _due(account: str, at: datetime) -> sa.Select[Any]:
    return (
        sa.select(opt_outs_due.c.member_id, opt_outs_due.c.since, opt_outs_due.c.attempts, programs.c.kind)
        .add_columns(members.c.program_id, members.c.external_id, members.c.tier_id)
        .join(members, members.c.id == opt_outs_due.c.member_id)
        .join(programs, programs.c.id == members.c.program_id)
        .where(programs.c.account == account, opt_outs_due.c.due_at <= at)
    )


def _same(statement: Any, due: Due) -> Any:
    return statement.where(opt_outs_due.c.member_id == due.member_id, opt_outs_due.c.since == due.since)
