"""Passes of our own with what they show now, read together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobs.passes.holder import Holder
from store.database import among, kept, spread
from store.schema import issued, members, passes


@dataclass(frozen=True, slots=True)
class Held:
    """One pass: what it shows, and the tag of its last change, by which another change meanwhile is seen.

    changed_at  its Last-Modified
    """

    pass_id: int
    channel: str
    provider_id: str
    pass_type: str | None
    tag: int
    changed_at: datetime
    holder: Holder


def read(connection: sa.Connection, pass_ids: Sequence[int]) -> list[Held]:
    """The passes with these ids, in the order of their ids; ids of other passes are left out."""
    query = _QUERY.where(among(connection, passes.c.id, list(pass_ids))).order_by(passes.c.id)
    return [_held(row) for row in connection.execute(query)]


def by_serials(connection: sa.Connection, serials: Iterable[str]) -> dict[str, Held]:
    """Those of these serials that are ours."""
    rows = connection.execute(_by_serials(connection), {"asked": json.dumps([[one] for one in serials])})
    return {row.serial: _held(row) for row in rows}


_QUERY = (
    sa.select(
        *(passes.c[name] for name in ("channel", "provider_id", "program_id", "status", "shown_text")),
        *(issued.c[name] for name in ("pass_id", "serial", "token", "pass_type", "tag", "changed_at")),
        *(members.c[name] for name in ("external_id", "name", "points", "tier_id", "attributes")),
        *(members.c[name] for name in ("locale", "expires_at")),
    )
    .join(issued, issued.c.pass_id == passes.c.id)
    .join(members, members.c.id == passes.c.member_id)
)


@kept
def _by_serials(connection: sa.Connection) -> sa.Select[Any]:
    asked = spread(connection, sa.bindparam("asked", type_=sa.Text), {"serial": sa.Text()}).subquery()
    return _QUERY.join(asked, asked.c.serial == issued.c.serial)


def _held(row: Any) -> Held:
    return Held(
        row.pass_id,
        row.channel,
        row.provider_id,
        row.pass_type,
        row.tag,
        row.changed_at,
        Holder(
            serial=row.serial,
            program_id=row.program_id,
            external_id=row.external_id,
            token=row.token,
            name=row.name,
            points=row.points,
            tier=row.tier_id,
            attributes=row.attributes,
            message=row.shown_text,
            locale=row.locale,
            expires_at=row.expires_at,
            voided=row.status == "invalidated",
        ),
    )
