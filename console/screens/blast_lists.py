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
from store.deliveries import Batch, Failure
from store.view import View

if TYPE_CHECKING:
    import sqlalchemy as sa

BATCH_COLUMNS = (
    Column("id", "batch", 6, "right"),
    Column("size", "passes", 6, "right"),
    Column("accepted", "accepted", 8, "right"),
    Column("failed_now", "failed", 7, "right", fields=("failed",)),
    Column("again", "again", 7, "right", from_width=90, fields=("returned",)),
    Column("why", "why", fields=()),
    Column("code", "code", 16, from_width=70, fields=()),
    Column("claimed_at", "claimed (UTC)", 14, from_width=100),
    Column("worker", "worker", 24, from_width=130),
)
DELIVERY_COLUMNS = (
    Column("member", "member", 14),
    Column("name", "name", 20, from_width=90),
    Column("state", "state", 9),
    Column("attempts", "tries", 5, "right"),
    Column("batch", "batch", 7, "right", from_width=90),
    Column("why", "why", fields=("reason", "detail")),
    Column("code", "code", 14, from_width=70),
)
OWN_DELIVERY_COLUMNS = (
    *DELIVERY_COLUMNS[:-2],
    Column("fetched_at", "phone (UTC)", 19, fields=("accepted_at", "listed_at", "fetched_at", "has_users")),
    Column("why", "why", fields=("reason", "detail")),
    Column("code", "code", 14, from_width=100),
)
"""Of passes that we issue: with what is known of the phone."""
EMPTY = {
    "batches": "No batch yet: once the blast is launched and its countdown is over, a worker claims one.",
    "deliveries": "No delivery is like that. Press / to show others.",
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
    wanted: dict[str, Any] = {
        name: getattr(chosen, name) for name in ("state", "reason", "batch_id", "fetched")
    }
    holding = Holding()

    def count(connection: sa.Connection, view: View) -> int:
        return deliveries.count(connection, blast_id, **wanted, view=view, held=holding.of(view))

    def page(connection: sa.Connection, view: View, offset: int, limit: int) -> list[Row]:
        held = holding.of(view)
        found = deliveries.page(
            connection, blast_id, **wanted, offset=offset, limit=limit, view=view, held=held
        )
        return [delivery_row(row, own=own) for row in found]

    return FunctionSource(
        read,
        count,
        page,
        blast_lists.DELIVERY_COLUMNS,
        lambda view: exports.of_deliveries(blast_id, view, **wanted),
    )
