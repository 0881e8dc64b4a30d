"""The two lists of a blast's screen: its batches and its deliveries, as queries of the table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.text import Text

from console import words
from console.plain import inert
from console.screens.blast_questions import Slice
from console.widgets.figures import STATE_COLOURS
from console.widgets.table import Column, FunctionSource, Row
from console.widgets.table.held import Holding
from console.widgets.table.rows import Read
from jobs import exports
from store import blast_lists, deliveries
from store.deliveries import Batch, Failure, Which
from store.view import View

if TYPE_CHECKING:
    import sqlalchemy as sa

BATCH_COLUMNS = (
    Column("id", "BATCH", 6, "right"),
    Column("size", "PASSES", 6, "right"),
    Column("accepted", "ACCEPTED", 8, "right"),
    Column("failed_now", "FAILED", 7, "right", fields=("failed",)),
    Column("again", "AGAIN", 7, "right", from_width=90, fields=("returned",)),
    Column("why", "WHY", fields=()),
    Column("code", "CODE", 16, from_width=70, fields=()),
    Column("claimed_at", "CLAIMED (UTC)", 14, from_width=100),
    Column("worker", "WORKER", 24, from_width=130),
)
DELIVERY_COLUMNS = (
    Column("member", "MEMBER", 14),
    Column("name", "NAME", 20, from_width=90),
    Column("state", "STATE", 9),
    Column("attempts", "TRIES", 5, "right"),
    Column("batch", "BATCH", 7, "right", from_width=90),
    Column("why", "WHY", fields=("reason", "detail")),
    Column("code", "CODE", 14, from_width=70),
)
OWN_DELIVERY_COLUMNS = (
    *DELIVERY_COLUMNS[:-2],
    Column("fetched_at", "PHONE (UTC)", 19, fields=("accepted_at", "listed_at", "fetched_at", "has_users")),
    Column("why", "WHY", fields=("reason", "detail")),
    Column("code", "CODE", 14, from_width=100),
)
"""Of passes that we issue: with what is known of the phone."""
EMPTY = {
    "batches": (
        "No batch yet. What is only planned is launched by <blast.launch>; once the countdown of a launch is "
        "over, a worker claims one."
    ),
    "deliveries": "No delivery is like that. Press <blast.filter> to show others.",
}


def batch_row(batch: Batch, failures: Sequence[Failure]) -> Row:
    """A batch as a line: what is failed of it now and why, and what of it goes out again."""
    failed = sum(one.count for one in failures)
    again = batch.returned + max(batch.failed - failed, 0)
    reasons = [one.detail or words.reason(one.reason) for one in failures]
    if len(failures) > 1:
        reasons = [f"{one.count:,} {why}" for one, why in zip(failures, reasons, strict=True)]
    codes = list(dict.fromkeys(one.code for one in failures if one.code))
    code = inert(codes[0], 16 if len(codes) == 1 else 13) if codes else ""
    cells = (
        str(batch.id),
        f"{batch.size:,}",
        f"{batch.accepted:,}",
        Text(f"! {failed:,}", "$error") if failed else "0",
        f"{again:,}",
        "; ".join(reasons),
        code + (f" +{len(codes) - 1}" if len(codes) > 1 else ""),
        f"{batch.claimed_at:%m-%d %H:%M:%S}",
        batch.worker,
    )
    return batch.id, cells


def delivery_row(row: dict[str, Any], *, own: bool = False) -> Row:
    """A delivery as a line; `own`: for OWN_DELIVERY_COLUMNS."""
    state = row["state"]
    why = row["detail"] or (words.reason(row["reason"]) if row["reason"] else "")
    cells = (
        row["member"],
        row["name"],
        Text(state.replace("_", " "), STATE_COLOURS.get(state, "")),
        str(row["attempts"]),
        str(row["batch"] or ""),
        *((_phone(row),) if own else ()),
        why,
        row["code"] or "",
    )
    return row["id"], cells


def _phone(row: dict[str, Any]) -> Text:
    """How far an accepted delivery came: `fetched 11-21 12:05`."""
    if row["state"] != "accepted":
        return Text()
    if row["channel"] == "google":
        held = row["has_users"]
        return Text("held by somebody" if held else "not known yet" if held is None else "held by nobody")
    for name, word, colour in (("fetched_at", "fetched", "$success"), ("listed_at", "asked", "")):
        if row[name] is not None:
            return Text(f"{word} {row[name][5:10]} {row[name][11:16]}", colour)
    return Text("not fetched", "$warning") if row["channel"] == "apple" else Text()


def batch_source(read: Read, blast_id: int) -> FunctionSource:
    """A blast's batches."""
    holding = Holding()

    def count(connection: sa.Connection, view: View) -> int:
        return deliveries.batch_count(connection, blast_id, view=view, held=holding.of(view))

    def page(connection: sa.Connection, view: View, offset: int, limit: int) -> list[Row]:
        held = holding.of(view)
        found = deliveries.batch_page(connection, blast_id, offset=offset, limit=limit, view=view, held=held)
        failures = deliveries.failures_of_batches(connection, blast_id, [one.id for one in found])
        return [batch_row(one, failures.get(one.id, ())) for one in found]

    return FunctionSource(read, count, page, blast_lists.BATCH_COLUMNS, partial(exports.of_batches, blast_id))


def delivery_source(read: Read, blast_id: int, chosen: Slice, *, own: bool = False) -> FunctionSource:
    """Some of a blast's deliveries; `own`: for OWN_DELIVERY_COLUMNS."""
    which = Which(chosen.state, chosen.reason, chosen.batch_id, chosen.fetched)
    holding = Holding()

    def count(connection: sa.Connection, view: View) -> int:
        return deliveries.count(connection, blast_id, which, view=view, held=holding.of(view))

    def page(connection: sa.Connection, view: View, offset: int, limit: int) -> list[Row]:
        held = holding.of(view)
        found = deliveries.page(connection, blast_id, which, offset=offset, limit=limit, view=view, held=held)
        return [delivery_row(row, own=own) for row in found]

    return FunctionSource(
        read,
        count,
        page,
        blast_lists.DELIVERY_COLUMNS,
        lambda view: exports.of_deliveries(blast_id, view, which),
    )
