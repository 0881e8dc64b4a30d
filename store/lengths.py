"""How much a member's values add to a text, as the database finds it: to look for the longest of many."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store import texts
from store.fields import Field, is_missing, reach
from store.schema import members

FRACTION = "0.00"
"""Stands for a number with a fraction: the two databases spell those differently."""

Text = sa.ColumnElement[Any]


def added(connection: sa.Connection, text: str, at: datetime) -> tuple[Text, sa.ColumnElement[bool]]:
    """Characters that a member's values add to a text with fields, and whether it has all that are needed.

    For an order only: what a text says of a member is `texts.render`'s affair.
    """
    total: Text = sa.literal(0)
    complete: sa.ColumnElement[bool] = sa.true()
    for name, instead in texts.fields_in(text):
        length: Text = sa.func.length(_value(connection, name, at))
        if instead is None:
            complete = sa.and_(complete, length > 0)
        else:
            length = sa.case((length == 0, len(instead)), else_=length)
        total = total + length
    return total, complete


def _value(connection: sa.Connection, name: str, at: datetime) -> Text:
    """A member's value as a text spells it, nearly; "" where there is none."""
    if name == "external_id":
        return members.c.external_id
    if name == "tier":
        return sa.func.coalesce(members.c.tier_id, "")
    if name in ("name", "first_name"):
        full = sa.func.trim(members.c.name)
        return full if name == "name" else _first_word(connection, full)
    if name == "points":
        points = members.c.points
        small = sa.and_(points == sa.func.round(points), sa.func.abs(points) < 1e15)
        whole = sa.cast(sa.case((small, points)), sa.BigInteger)
        return sa.func.coalesce(sa.cast(whole, sa.Text), sa.case((points.is_(None), ""), else_=FRACTION))
    field, dialect = Field(name, "any", "attribute", name), connection.dialect.name
    spelled: Any = reach(field, dialect, at, "text", lambda value: value)
    return sa.case((is_missing(field, dialect, at), ""), else_=sa.func.coalesce(spelled, FRACTION))


def _first_word(connection: sa.Connection, text: Text) -> Text:
    if connection.dialect.name == "postgresql":
        return sa.func.split_part(text, " ", 1)
    return sa.func.substr(text, 1, sa.func.instr(text.concat(" "), " ") - 1)
