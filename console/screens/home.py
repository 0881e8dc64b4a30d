"""Home: how things stand at a glance, and below it what runs and what needs somebody.

The first screen is drawn before the store is loaded, so what needs the store is imported where it is used.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from textual import on, work
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from console.actions import bindings
from console.keymap import keyed
from console.plain import inert_lines
from console.screens.base import ConsoleScreen
from console.widgets.table import VirtualTable
from console.widgets.table.rows import Column, Row
from store.errors import PassbellError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from console.expiry import Weak
    from jobs.overview import Need, Overview
    from store.view import View

WIDE = 160
"""Cells: with so many the glance stands beside the lists, with a line for each day."""
REST_SECONDS = 5.0
"""How often to look while nothing is sent; each second while something is."""
SHARE = 4
"""On a large store a look takes at most one part in so many of the time."""

BLAST_COLUMNS = (
    Column("id", "#", 4, "right"),
    Column("name", "UNDER WAY"),
    Column("state", "STATE", 8),
    Column("progress", "PROGRESS", 15),
    Column("failed", "FAILED", 7, "right"),
    Column("pace", "PACE", 20, from_width=70),
)
NEED_COLUMNS = (
    Column("kind", "NEEDS YOU", 11),
    Column("sentence", ""),
)
NOTHING = "Nothing needs you."
FIRST_STEPS = """\
Three steps to the first message:

1  Press <app.programs>{where}.
2  Press <app.audiences>: say who shall get it. Or leave it out: everybody.
3  Press <app.compose>: write it, see it on the lock screen, and launch it.

Press <app.help> on any screen for its keys. Nothing is sent before you have confirmed how many."""
OWN_STEPS = """\
Three steps to the first message:

1  `passbell programs create` makes a program of your own, `passbell members import` fills it.
2  Press <app.audiences>: say who shall get it. Or leave it out: everybody.
3  Press <app.compose>: write it, see it on the lock screen, and launch it.

Press <app.help> on any screen for its keys. Nothing is sent before you have confirmed how many."""


class Lines:
    """Rows that were read already, as a list asks for them."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    async def count(self, view: View) -> int:
        """How many there are."""
        return len(self.rows)

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Those from `offset` on."""
        return self.rows[offset : offset + limit]


class Glance(Static):
    """How things stand, drawn for the width it has: the first time it has none yet."""

    def __init__(self) -> None:
        super().__init__(id="glance", markup=False)
        self._found: Overview | None = None
        self._weak: Sequence[Weak] = ()

    def show(self, found: Overview, weak: Sequence[Weak]) -> None:
        """Show this from now on."""
        self._found, self._weak = found, weak
        self.on_resize()

    def on_resize(self) -> None:
        """Draw it anew, where that changes anything."""
        if self._found is None or not self.content_size.width:
            return
        from console.widgets import glance

        tall = self.app.size.width >= WIDE
        drawn = glance.draw(self._found, self._weak, self.content_size.width, tall=tall)
        if drawn != self.content:
            self.update(drawn)


class HomeScreen(ConsoleScreen):
    """What stands there is asked each second while something is sent. Enter leads to where it is."""

    CSS_PATH = "../styles/home.tcss"
    BINDINGS = bindings("home")
    AUTO_FOCUS = "#needs"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
    mode = "home"
    look_seconds = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.found: Overview | None = None
        self._known: dict[datetime, int] = {}
        self._lists = {"#blasts": Lines(), "#needs": Lines()}
        self._look_from = 0.0
        self._looking = False

    def body(self) -> Iterable[Widget]:
        """The glance, and the two lists."""
        yield Glance()
        with Vertical(id="lists"):
            yield VirtualTable(BLAST_COLUMNS, id="blasts", empty="Nothing is under way.")
            yield VirtualTable(NEED_COLUMNS, id="needs", empty=NOTHING)

    def on_mount(self) -> None:
        """Look anew when a credential is found that needs somebody."""
        self.watch(self.app, "weak", self.look_again, init=False)

    # Looking

    def look_again(self) -> None:
        """Read how things stand; a slow store is not asked twice at once."""
        if not self._looking:
            self._looking = True
            self.call_after_refresh(self._look)  # what it loads must not hold up the first picture

    def _look_if_seen(self) -> None:
        if time.monotonic() >= self._look_from:
            super()._look_if_seen()

    @work(group="look")
    async def _look(self) -> None:
        settings, weak, began = self.app.desk.settings, self.app.weak, time.monotonic()

        def read(connection: sa.Connection) -> Overview:
            from console.widgets import glance  # noqa: F401 (what draws it is loaded off the UI's thread, too)
            from jobs.overview import look

            return look(connection, settings, weak=weak, known=self._known)

        try:
            found = await self.app.read(read)
        except PassbellError as error:
            if self.found is None:
                self.query_one("#needs", VirtualTable).show_nothing(inert_lines(str(error)))
            raise
        finally:
            self._looking = False
            ended = time.monotonic()
            self._look_from = ended + SHARE * (ended - began)
        if not found.busy:
            self._look_from = max(self._look_from, ended + REST_SECONDS)
        self._show(found)
        if self.app.weak != weak:  # found while the store was read
            self.look_again()

    def _show(self, found: Overview) -> None:
        from console.widgets import glance

        first, self.found = self.found is None, found
        self.query_one(Glance).show(found, self.app.weak)
        self._lists["#blasts"].rows = [glance.blast_row(one) for one in found.running]
        self._lists["#needs"].rows = [glance.need_row(one) for one in found.needs]
        self.query_one("#blasts").display = bool(found.running)
        needs = self.query_one("#needs", VirtualTable)
        needs.empty = self._nothing(found)
        needs.refresh()  # which words stand for nothing is no change of its rows
        for name, source in self._lists.items():
            table = self.query_one(name, VirtualTable)
            if first:
                table.show(source)
            else:
                table.refresh_rows()

    def _nothing(self, found: Overview) -> str:
        """That nothing needs anybody, or how to begin."""
        if found.blasts:
            return NOTHING
        settings = self.app.desk.settings
        if settings.live and not settings.passkit.api_key:
            return keyed(OWN_STEPS)
        if found.programs:
            return keyed(FIRST_STEPS.format(where=": your programs and their members are there"))
        stand_in = "" if settings.live else " of the stand-in PassKit"
        first = f", then <programs.sync>: read programs and members{stand_in}"
        return keyed(FIRST_STEPS.format(where=first))

    # Opening

    @on(VirtualTable.Selected, "#blasts")
    async def _open_blast(self, event: VirtualTable.Selected) -> None:
        await self.app.open_blast(event.key)

    @on(VirtualTable.Selected, "#needs")
    async def _open_need(self, event: VirtualTable.Selected) -> None:
        """Go where it can be seen to; what is no matter of a screen is said in full."""
        from console.widgets.glance import need_key

        found = self.found.needs if self.found is not None else ()
        need = next((one for one in found if need_key(one) == event.key), None)
        if need is not None:
            await self._see_to(need)

    async def _see_to(self, need: Need) -> None:
        if need.kind in ("no_worker", "unusable", "expiring"):
            told = inert_lines(need.sentence)
            self.app.notify(told, severity="warning", timeout=15, markup=False)
        elif need.blast is not None:
            await self.app.open_blast(need.blast)
        elif need.program is not None:
            await self.app.open_program(need.program)
            if need.kind == "rejects":
                from console.screens.imports import ImportsScreen

                self.app.push_screen(ImportsScreen(need.program))

    def action_compose(self) -> None:
        """Write a new message."""
        self.app.action_compose()
