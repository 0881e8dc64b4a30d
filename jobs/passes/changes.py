"""The one rule for what changes passes of our own outside of blasts: something that they show has changed.

Whoever changes a member of a program of ours calls `members_changed` in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobs.passes import template
from store import issued as store
from store import templates
from store.database import among
from store.imports import OWN_COLUMNS
from store.schema import issued, passes

CHUNK = 5_000
SHOWN_AS = {"name": ("name", "first_name"), "tier_id": ("tier",), "points": ("points",)}
"""Under which names a template shows a member's columns; attributes keep theirs (store/texts.values_of)."""


def names(before: Mapping[str, Any]) -> list[str]:
    """What a change of an import touched: columns of a member and attributes (see store/imports.changed)."""
    return [*before.get("columns", ()), *before.get("keys", ())]


def members_changed(
    connection: sa.Connection, program_id: str, touched: Mapping[int, Collection[str]], *, at: datetime
) -> list[int]:
    """Members of a program have other values now; `touched` says under which names: columns of a member, or
    attributes. Their passes that show one of these have changed; returns the ids of those passes.

    Call it last in a transaction: it takes the store's tag, and others that change passes wait for it.
    """
    if not touched:
        return []
    shown = _shown(connection, program_id)
    ids = sorted(member for member, which in touched.items() if not shown.isdisjoint(which))
    changed: list[int] = []
    for start in range(0, len(ids), CHUNK):
        query = (
            sa.select(passes.c.id)
            .join(issued, issued.c.pass_id == passes.c.id)
            .where(among(connection, passes.c.member_id, ids[start : start + CHUNK]))
            .order_by(passes.c.id)
        )
        changed += connection.scalars(query)
    passes_changed(connection, changed, at=at)
    return changed


def passes_changed(connection: sa.Connection, pass_ids: Collection[int], *, at: datetime) -> None:
    """These passes show something else now: a worker tells phones, and Google has to be given its objects."""
    store.changed(connection, pass_ids, at=at)
    store.tell(connection, pass_ids, at=at)
    google = sa.select(passes.c.id).where(
        among(connection, passes.c.id, list(pass_ids)), passes.c.channel == "google"
    )
    connection.execute(issued.update().where(issued.c.pass_id.in_(google)).values(placed_at=None))


def _shown(connection: sa.Connection, program_id: str) -> frozenset[str]:
    """Columns and attributes of members that the program's passes show."""
    newest = next(iter(templates.listed(connection, program_id)), None)
    if newest is None:
        return frozenset()
    design = template.of(newest)
    wanted = set(design.names)
    columns: Iterable[str] = (name for name in OWN_COLUMNS if wanted & set(SHOWN_AS.get(name, ())))
    return frozenset(wanted) - set(OWN_COLUMNS) | {*columns, *(("locale",) if design.strings else ())}
