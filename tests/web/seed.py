"""A program of our own with Apple passes, put into a store without the verbs that would do it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from jobs.rehearsal.authority import PASS_TYPE
from store import issued, templates
from store.database import Database
from store.issued import NewPass
from store.schema import members, programs

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PROGRAM = "cafe"
ICON = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
DESIGN: dict[str, Any] = {
    "kind": "membership",
    "organisation": "Café Linden",
    "description": "Loyalty card",
    "fields": [{"place": "primary", "key": "points", "label": "Points", "value": "{points|0}"}],
    "barcode": {"format": "qr", "value": "{external_id}"},
}


def seed(database: Database, count: int, *, pass_type: str = PASS_TYPE) -> list[NewPass]:
    """So many members with an Apple pass each; their tokens are `token-` and the number, filled up."""
    with database.write() as connection:
        connection.execute(
            programs.insert().values(
                id=PROGRAM, account="rehearsal", kind="membership", name="Café", status=[], issuer="passbell"
            )
        )
        templates.add(connection, PROGRAM, DESIGN, {"icon.png": ICON}, at=NOW, actor="test")
        return add_passes(connection, range(count), pass_type=pass_type)


def add_passes(
    connection: sa.Connection, numbers: Sequence[int], *, pass_type: str = PASS_TYPE
) -> list[NewPass]:
    """Members with these numbers, and a pass for each."""
    rows = [
        {"program_id": PROGRAM, "external_id": f"M{number}", "name": "Ann", "status": "ENROLLED"}
        | {"opted_out": False, "imported": {}, "attributes": {}, "points": 5.0}
        for number in numbers
    ]
    ids = connection.scalars(members.insert().returning(members.c.id, sort_by_parameter_order=True), rows)
    new = [
        NewPass(
            member_id=member_id,
            program_id=PROGRAM,
            channel="apple",
            serial=f"S{number:08}",
            provider_id=f"S{number:08}",
            pass_type=pass_type,
            token=f"token-{number:026}",
        )
        for number, member_id in zip(numbers, ids, strict=True)
    ]
    issued.add(connection, new, at=NOW)
    return new
