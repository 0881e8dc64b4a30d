"""The columns of a list of members, by the names that the commands print."""

from __future__ import annotations

import sqlalchemy as sa

from store.filters import Column, contains
from store.programs import INACTIVE
from store.schema import members, passes

SEARCHED = ("name", "external_id", "email", "phone")
"""The columns that a search looks into."""


def _listed_columns() -> dict[str, Column]:
    c = members.c
    texts = {key: Column("text", c[key]) for key in ("name", "external_id", "email", "phone")}
    numbers = {key: Column("number", c[key]) for key in ("points", "secondary_points", "tier_points")}
    words = {key: Column("word", c[key]) for key in ("status", "locale", "time_zone")}
    moments = ("expires_at", "created_at", "updated_at", "synced_at")
    return {
        **texts,
        "tier": Column("word", c.tier_id),
        **numbers,
        "pass": Column("word", _pass_in_a_word(), PASS_WORDS),
        "wallet": Column("text", _wallets(), having=_with_wallet),
        "birthday": Column("date", c.birthday),
        "opted_out": Column("boolean", c.opted_out),
        **words,
        **{key: Column("moment", c[key]) for key in moments},
    }


def _pass_in_a_word() -> sa.ColumnElement[str]:
    """Whether a message can get to the member, as store/members.py says it in a word."""
    mine = sa.select(passes.c.status).where(passes.c.member_id == members.c.id).correlate(members)
    return sa.case(
        (members.c.opted_out, "opted out"),
        (members.c.status.in_(INACTIVE), sa.func.lower(members.c.status)),
        (mine.where(passes.c.status == "installed").exists(), "installed"),
        else_=sa.func.coalesce(mine.order_by(passes.c.id).limit(1).scalar_subquery(), "no pass"),
    )


def _wallets() -> sa.ColumnElement[str]:
    """The wallets of all passes of the member: `apple, google`."""
    told: sa.ColumnElement[str] = sa.func.aggregate_strings(sa.cast(passes.c.wallets, sa.Text), ", ")
    for sign in ('"', "[", "]"):
        told = sa.func.replace(told, sign, "")
    found = sa.select(told).where(passes.c.member_id == members.c.id).correlate(members)
    return found.scalar_subquery()


def _with_wallet(word: str, dialect: str) -> sa.ColumnElement[bool]:
    """The members with a pass in a wallet that has this word in its name.

    Postgres guesses that few have it, and would look up each of them; of an array it makes a hash.
    """
    named = contains(sa.cast(passes.c.wallets, sa.Text), word, dialect)
    found = sa.select(passes.c.member_id).where(named)
    if dialect == "postgresql":
        return members.c.id == sa.any_(sa.func.array(found.scalar_subquery()))
    return members.c.id.in_(found)


PASS_WORDS = (
    *("installed", "issued", "uninstalled", "invalidated", "gone", "unknown"),
    *("opted out", "no pass", *(status.lower() for status in INACTIVE)),
)
"""What a list says of a member's passes in a word."""

COLUMNS = _listed_columns()
"""The columns of a list of members."""
