"""Held blasts: who looks when whether they may go on, and what there is to look at.

One look at a time, over all workers, is for all held blasts of an account: they share its provider, its
key and its quota. Blasts that wait for the operator's word (without `probe_at`) have no part in it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from store.database import lock
from store.ledger import Blast
from store.schema import blasts, deliveries, members, passes, programs, tiers

AHEAD = 20_000
"""So many deliveries ahead the designs are looked at: more than one worker sends between two looks."""
LONGEST = timedelta(seconds=30)
"""A look that takes longer is given up, or has died with its worker."""
SLACK = timedelta(seconds=2)
"""How far the clocks of two machines may differ here."""


def take_look(connection: sa.Connection, account: str, *, at: datetime, every: timedelta) -> bool:
    """Whether to look now at what an account's blasts are held for. Nobody else does while it lasts.

    `every` lies between two looks. A look that died with its worker is followed by the next when it would
    have been given up.
    """
    held = _held(account)
    if not _any(connection, sa.and_(held, blasts.c.probe_at <= at)):
        return False
    lock(connection, "look")
    # A hold sets `probe_at` one `every` ahead; only a look that is under way sets it further.
    if _any(connection, sa.and_(held, blasts.c.probe_at > at + every + SLACK)):
        return False
    connection.execute(blasts.update().where(held).values(probe_at=at + every + 2 * SLACK + LONGEST))
    return True


def end_look(connection: sa.Connection, account: str, *, next_at: datetime) -> None:
    """A look is over: those that are still held are looked at again then."""
    connection.execute(blasts.update().where(_held(account)).values(probe_at=next_at))


def waiting(connection: sa.Connection, account: str) -> list[Blast]:
    """Held blasts of an account that may go on by themselves, the urgent ones first."""
    query = sa.select(blasts).where(_held(account)).order_by(blasts.c.urgent.desc(), blasts.c.id)
    return [Blast(**row._mapping) for row in connection.execute(query)]


def reword(connection: sa.Connection, blast_id: int, *, reason: str) -> None:
    """A look has found another reason than the one that stands there."""
    connection.execute(
        blasts.update().where(blasts.c.id == blast_id, blasts.c.state == "held").values(hold_reason=reason)
    )


def kind(connection: sa.Connection, blast: Blast) -> str:
    """The kind of a blast's program: membership | coupon | ticket | flight."""
    found: str = connection.execute(
        sa.select(programs.c.kind).where(programs.c.id == blast.program_id)
    ).scalar_one()
    return found


def designs(connection: sa.Connection, blast_id: int) -> dict[str, str]:
    """The designs of the passes that a blast is about to message: the design's id, and who has it.

    Only those that the gate lets through: a design that could alert, or could not be read, at the plan.
    """
    ahead = (
        sa.select(deliveries.c.pass_id)
        .where(deliveries.c.blast_id == blast_id, deliveries.c.state == "pending")
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(AHEAD)
        .subquery()
    )
    query = (
        sa.select(tiers.c.template_id, tiers.c.name)
        .select_from(ahead)
        .join(passes, passes.c.id == ahead.c.pass_id)
        .join(members, members.c.id == passes.c.member_id)
        .join(tiers, sa.and_(tiers.c.program_id == members.c.program_id, tiers.c.id == members.c.tier_id))
        .where(tiers.c.template_id.is_not(None), tiers.c.message_field_state.in_(("ok", "unknown")))
        .distinct()
        .order_by(tiers.c.name)
    )
    found: dict[str, list[str]] = {}
    for template_id, name in connection.execute(query):
        found.setdefault(template_id, []).append(name)
    return {template_id: ", ".join(names) for template_id, names in found.items()}


def _held(account: str) -> sa.ColumnElement[bool]:
    return sa.and_(blasts.c.account == account, blasts.c.state == "held", blasts.c.probe_at.is_not(None))


def _any(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> bool:
    return bool(connection.execute(sa.select(sa.exists().where(condition))).scalar())
