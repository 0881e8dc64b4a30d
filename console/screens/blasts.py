"""The blasts of this account, the newest first, with how far they are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on
from textual.widget import Widget

from console.actions import bindings
from console.keymap import keyed
from console.plain import inert
from console.screens.base import ConsoleScreen
from console.widgets.figures import STATE_COLOURS
from console.widgets.table import Column, FunctionSource, Row, VirtualTable, in_hand
from jobs import exports
from jobs.moments import zone_of
from store import blast_lists, deliveries
from store.deliveries import BlastRow, Figures
from store.view import View

if TYPE_CHECKING:
    import sqlalchemy as sa

BAR = 10
"""Cells of a row's bar."""
ALARMING = ("held", "missed")
"""States that wait for somebody: marked, so that no colour is needed to find them."""
WAITING = ("scheduled", "missed")
"""States in which the moment is shown instead of a bar, which would be empty."""

COLUMNS = (
    Column("id", "#", 5, "right"),
    Column("name", "MESSAGE"),
    Column("program", "PROGRAM", 18, from_width=100),
    Column("state", "STATE", 9),
    Column("progress", "PROGRESS", 17, fields=("planned", "pending", "sending")),
    Column("accepted", "ACCEPTED", 9, "right"),
    Column("failed", "FAILED", 7, "right"),
    Column("skipped", "SKIPPED", 8, "right", from_width=90),
    Column("started_at", "STARTED (UTC)", 16, from_width=110),
)


def bar(done: int, planned: int, width: int = BAR) -> str:
    """`━━━━──────  40%`. It is full, and says 100 %, only once all is done."""
    share = done / planned if planned else 0.0
    filled = int(width * share)
    return "━" * filled + "─" * (width - filled) + f"{int(share * 100):4d}%"


def row(blast: BlastRow) -> Row:
    """A blast as a line of the list. The bar counts what is to be sent, without those left out."""
    states = blast.states
    done = states["accepted"] + states["failed"]
    colour = STATE_COLOURS[blast.state]
    failed = Text(f"! {states['failed']:,}", "$error") if states["failed"] else "0"
    started = f"{blast.started_at:%Y-%m-%d %H:%M}" if blast.started_at else "not yet"
    name = inert(blast.name, 200)
    cells = (
        str(blast.id),
        Text.assemble(("urgent ", "$warning"), name) if blast.urgent else name,
        blast.program,
        Text(f"! {blast.state}" if blast.state in ALARMING else blast.state, colour),
        Text(when(blast), colour) if blast.state in WAITING and blast.send_at else _bar(blast, done),
        f"{states['accepted']:,}",
        failed,
        f"{states['skipped']:,}",
        started,
    )
    return blast.id, cells


def when(blast: BlastRow) -> str:
    """`12-01 09:00 CET`: the moment of a scheduled blast in its program's time zone."""
    assert blast.send_at is not None
    return f"{blast.send_at.astimezone(zone_of(blast.time_zone)[0]):%m-%d %H:%M %Z}"


def _bar(blast: BlastRow, done: int) -> Text:
    """What will never be sent stays empty."""
    return Text(bar(done, done + blast.states["pending"] + blast.states["sending"] + blast.never_sent))


class BlastsScreen(ConsoleScreen):
    """The list; Enter opens one."""

    BINDINGS = bindings("blasts")
    CSS = "BlastsScreen > VirtualTable { margin: 1 0 0 0; padding: 0 1; }"
    mode = "blasts"
    look_seconds = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[tuple[int, datetime], Figures] = {}

    def body(self) -> Iterable[Widget]:
        """The list."""
        yield VirtualTable(
            COLUMNS,
            id="blasts",
            remembered="blasts",
            empty=keyed(
                "No message was planned yet. Press <app.compose> to write one and see its lock screen."
            ),
        )

    def begin(self) -> None:
        """Show the list."""
        account = self.app.desk.settings.account
        self.query_one(VirtualTable).show(
            FunctionSource(
                self.app.read,
                lambda connection, view: deliveries.blast_count(connection, account, view=view),
                lambda connection, view, offset, limit: self._page(connection, account, view, offset, limit),
                blast_lists.BLAST_COLUMNS,
                partial(exports.of_blasts, account),
            )
        )

    def look_again(self) -> None:
        """Read the visible rows again."""
        self.query_one(VirtualTable).refresh_rows()

    def _page(
        self, connection: sa.Connection, account: str, view: View, offset: int, limit: int
    ) -> list[Row]:
        found = deliveries.blast_page(
            connection, account, offset=offset, limit=limit, known=self._known, view=view
        )
        return [row(one) for one in found]

    @on(VirtualTable.Selected)
    async def _open(self, event: VirtualTable.Selected) -> None:
        """Show the blast over the list."""
        await self.app.open_blast(event.key)

    def needs_filter(self) -> str:
        """Whether the list can be filtered by its column in hand."""
        return in_hand(self).needs_filter()

    def action_filter(self) -> None:
        """Type what the list's column in hand has to hold."""
        in_hand(self).action_filter()

    def action_compose(self) -> None:
        """Write a new message."""
        self.app.action_compose()
