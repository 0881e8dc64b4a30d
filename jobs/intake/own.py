"""Members of our own programs. Nobody else keeps them: a file enrols them, or `passes issue` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from store import imports, keys, suppressions
from store.enrolments import LONGEST
from store.imports import OWN_COLUMNS, Change
from store.schema import members
from store.times import now

STATUS = "ENROLLED"


class Stranger(NamedTuple):
    """Somebody who is not a member yet. `given`: values by column of a member, others are attributes."""

    external_id: str
    given: Mapping[str, Any]


def problem(external_id: str) -> str:
    """Why nobody can be enrolled under this id; empty if somebody can."""
    longest = LONGEST["external_id"]
    return f"the id has more than {longest} characters" if len(external_id) > longest else ""


def enrol(
    connection: sa.Connection,
    program_id: str,
    strangers: Sequence[Stranger],
    secret: keys.Secret = keys.none_here,
) -> list[int]:
    """Write new members; returns their ids, in the order given.

    Who of them is suppressed is found with the consent secret.
    """
    if not strangers:
        return []
    suppressions.hold(connection)
    rows = [_member(program_id, stranger) for stranger in strangers]
    insert = members.insert().returning(members.c.id, sort_by_parameter_order=True)
    ids = list(connection.scalars(insert, rows))
    suppressions.link(connection, secret, ids)
    return ids


def update(
    connection: sa.Connection, changed: Sequence[Change], secret: keys.Secret = keys.none_here
) -> None:
    """Write members as they are now. Their passes are the caller's (jobs/passes/changes.py)."""
    if changed:
        suppressions.hold(connection)
        imports.put(connection, changed)
        suppressions.link(connection, secret, [change.state.member_id for change in changed])


def _member(program_id: str, stranger: Stranger) -> dict[str, Any]:
    given = {name: value for name, value in stranger.given.items() if value is not None}
    columns = {name: given.pop(name, None) for name in OWN_COLUMNS}
    at = now()
    return columns | {
        "program_id": program_id,
        "external_id": stranger.external_id,
        "name": columns["name"] or "",
        "birthday": date.fromisoformat(born) if (born := columns["birthday"]) else None,
        "status": STATUS,
        "opted_out": False,
        "created_at": at,
        "updated_at": at,
        "imported": given,
        "attributes": given,
    }
