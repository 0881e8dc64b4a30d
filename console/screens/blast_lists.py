"""The two lists of a blast's screen: its batches and its deliveries, as queries of the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from rich.text import Text

from console import words
from console.screens.blast_questions import Slice
from console.widgets.figures import STATE_COLOURS
from console.widgets.table import Column, FunctionSource, Row
from store import deliveries
from store.deliveries import Batch

Read = Callable[[Callable[[sa.Connection], Any]], Any]
"""The app's `read`."""

BATCH_COLUMNS = (
    Column("id", "batch", 7, "right"),
    Column("size", "passes", 7, "right"),
    Column("accepted", "accepted", 9, "right"),
    Column("failed", "failed", 7, "right"),
    Column("returned", "to retry", 9, "right"),
    Column("claimed", "claimed (UTC)", 14),
    Column("worker", "worker"),
)
DELIVERY_COLUMNS = (
    Column("member", "member", 14),
    Column("name", "name", 20, from_width=90),
    Column("state", "state", 9),
    Column("tries", "tries", 5, "right"),
    Column("batch", "batch", 7, "right", from_width=90),
    Column("why", "why"),
    Column("code", "code", 14, from_width=70),
)
EMPTY = {
    "batches": "No batch yet: a worker claims the first ones when the blast is launched.",
    "deliveries": "No delivery is like that. Press / to show others.",
}


def batch_row(batch: Batch) -> Row:
    """A batch as a line."""
    failed = Text(f"{batch.failed:,}", "$error" if batch.failed else "")
    claimed = f"{batch.claimed_at:%m-%d %H:%M:%S}"
    numbers = (str(batch.id), f"{batch.size:,}", f"{batch.accepted:,}", failed, f"{batch.returned:,}")
    return batch.id, (*numbers, claimed, batch.worker)


def delivery_row(row: dict[str, Any]) -> Row:
    """A delivery as a line."""
    state = row["state"]
    why = row["detail"] or (words.reason(row["reason"]) if row["reason"] else "")
    cells = (
        row["member"],
        row["name"],
        Text(state.replace("_", " "), STATE_COLOURS.get(state, "")),
        str(row["attempts"]),
        str(row["batch"] or ""),
        why,
        row["code"] or "",
    )
    return row["id"], cells


def batch_source(read: Read, blast_id: int) -> FunctionSource:
    """A blast's batches."""

    def page(connection: sa.Connection, offset: int, limit: int) -> list[Row]:
        found = deliveries.batch_page(connection, blast_id, offset=offset, limit=limit)
        return [batch_row(one) for one in found]

    return FunctionSource(read, lambda connection: deliveries.batch_count(connection, blast_id), page)


def delivery_source(read: Read, blast_id: int, chosen: Slice) -> FunctionSource:
    """Some of a blast's deliveries."""
    state, reason, batch_id = chosen.state, chosen.reason, chosen.batch_id

    def count(connection: sa.Connection) -> int:
        return deliveries.count(connection, blast_id, state=state, reason=reason, batch_id=batch_id)

    def page(connection: sa.Connection, offset: int, limit: int) -> list[Row]:
        found = deliveries.page(
            connection, blast_id, state=state, reason=reason, batch_id=batch_id, offset=offset, limit=limit
        )
        return [delivery_row(row) for row in found]

    return FunctionSource(read, count, page)
