"""One blast: how it stands, read once a second; its pace, what failed, its batches and its deliveries.

A large terminal shows all of it at once, a small one the head and one part at a time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

from textual import on, work
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Static

from console.actions import bindings
from console.keymap import keyed
from console.plain import inert
from console.screens.blast_hands import BlastHands
from console.screens.blast_lists import (
    BATCH_COLUMNS,
    DELIVERY_COLUMNS,
    EMPTY,
    OWN_DELIVERY_COLUMNS,
    batch_source,
    delivery_source,
)
from console.screens.blast_questions import FilterScreen, Slice, all_slices, failed_slice, fetched_slice
from console.screens.delivery import DeliveryScreen
from console.widgets.funnel import FunnelView, reached
from console.widgets.pace import PaceView
from console.widgets.parts import Parts
from console.widgets.progress import Progress, Standing, standing
from console.widgets.reasons import Reasons
from console.widgets.strip import Strip
from console.widgets.table import VirtualTable
from console.widgets.undo import Undo
from store import deliveries, ledger, throughput
from store.errors import UsageError

LATE_SECONDS = 5.0
"""How often late fetchers are counted, once a blast has ended."""
SHARE = 4
"""What takes long to read is read at most for one part in so many of the time."""
SLOW_SECONDS = 0.2
"""What takes less is no burden, and is read at each look."""
PARTS = {
    "batches": "batches",
    "deliveries": "all",
    "pace": "speed",
    "reasons": "why failed",
    "incident": "report",
}
"""What can be shown below the head or over it, by the verbs that do."""
TAKE_TURNS = "#live, PaceView, Reasons, ContentSwitcher"
"""What the styles show or hide by the part that is shown."""
ROOM_FOR_ALL = {"-wide", "-tall"}
"""A screen of both shows all of it."""
HINTS = {
    "batches": ("Batches", "those with failures first: <blast.retry> tries again, <table.select> shows one"),
    "deliveries": ("Deliveries", "<table.select> shows one, <blast.filter> others"),
    "pace": ("Speed", "over the whole time of the blast"),
    "reasons": ("Why failed", "Enter shows those of one reason"),
}
"""Of each part what it is, and what can be done there."""


class BlastScreen(BlastHands):
    """One blast, as it is looked at."""

    CSS_PATH = "../styles/blast.tcss"
    BINDINGS = bindings("blast")
    AUTO_FOCUS = "#batches"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]
    mode = "blasts"
    look_seconds = 1.0

    def __init__(self, blast_id: int) -> None:
        super().__init__(blast_id)
        self.part = "batches"
        self._count_from = self._time_from = 0.0
        self._timed: object = None
        self._asked = False

    def body(self) -> Iterable[Widget]:
        """The head, the strip of batches, and the parts."""
        with Vertical(id="blast"):
            yield Progress(self.app.desk.settings)
            yield Undo()
            yield FunnelView()
            yield Strip()
            with Horizontal(id="bar"):
                yield Static(id="section", markup=False)
                yield Parts("blast", PARTS)
            with Horizontal(id="live"):
                yield PaceView()
                yield Reasons()
            with ContentSwitcher(initial="batches"):
                yield VirtualTable(
                    BATCH_COLUMNS,
                    id="batches",
                    remembered="batches",
                    empty=keyed(EMPTY["batches"]),
                    stick_to_top=True,
                )
                yield VirtualTable(
                    DELIVERY_COLUMNS,
                    id="deliveries",
                    remembered="deliveries",
                    empty=keyed(EMPTY["deliveries"]),
                )

    def place(self) -> dict[str, Any]:
        """This blast."""
        return {"mode": self.mode, "blast": self.blast_id}

    def on_mount(self) -> None:
        """Show the batches and begin to look."""
        self.query_one("#batches", VirtualTable).show(batch_source(self.app.read, self.blast_id))
        self._name_section()

    # Looking

    def look_again(self) -> None:
        """Read how it stands and what is visible; a slow store is asked the more seldom."""
        if not self._looking and time.monotonic() >= self._look_from:
            self._looking = True
            self._look()

    @work(group="look")
    async def _look(self) -> None:
        account, began = self.app.desk.settings.account, time.monotonic()
        try:
            now = await self.app.read(lambda connection: standing(connection, account, self.blast_id))
        except UsageError as error:
            self.app.tell(error)
            self.dismiss()
            return
        finally:
            self._looking = False
        if self._look_once_more:
            self._look_once_more = False
            self.look_again()
        elif (took := time.monotonic() - began) > SLOW_SECONDS:
            self._look_from = time.monotonic() + SHARE * took
        self.standing = now
        self.query_one(Progress).show(now)
        self.query_one(Undo).show(now.blast)
        self.query_one(Reasons).show(now.failures)
        if now.tally.states != self._timed and time.monotonic() >= self._time_from:
            self._time_from = math.inf
            self._time(now)
        if self._own and now.blast.state not in ledger.WAITING and time.monotonic() >= self._count_from:
            self._count_from = math.inf
            self._count(now)
        self.refresh_bindings()
        self._table.refresh_rows()
        if now.blast.state != "missed":
            self._asked = False
        elif not self._asked and self.is_current:
            self._asked = True
            self._ask_missed(now)

    @work(group="time")
    async def _time(self, now: Standing) -> None:
        """Read its speed and its batches, where something has moved since."""
        began = time.monotonic()
        try:
            found = await self.app.read(lambda connection: throughput.throughput(connection, self.blast_id))
        finally:
            took = time.monotonic() - began
            self._time_from = time.monotonic() + (SHARE * took if took > SLOW_SECONDS else 0.0)
        self._timed = now.tally.states
        self.query_one(Strip).show(found)
        self.query_one(PaceView).show(found, now.program.time_zone)

    @work(group="count")
    async def _count(self, now: Standing) -> None:
        """Count how far it came; when to count again follows from how long that took."""
        began = time.monotonic()
        try:
            self.reached = await self.app.read(lambda connection: reached(connection, self.blast_id))
        finally:
            took = time.monotonic() - began
            pause = 0.0 if now.blast.state == "running" else LATE_SECONDS
            self._count_from = time.monotonic() + max(pause, SHARE * took)
        self.add_class("-own")
        self.query_one(FunnelView).show(self.reached, now.program.time_zone)
        self.refresh_bindings()

    @property
    def _table(self) -> VirtualTable:
        return self.query_one(f"#{self.query_one(ContentSwitcher).current}", VirtualTable)

    def _show_deliveries(self, chosen: Slice) -> None:
        self.slice, own = chosen, self._own
        table = self.query_one("#deliveries", VirtualTable)
        if own:
            table.columns = OWN_DELIVERY_COLUMNS
        table.show(delivery_source(self.app.read, self.blast_id, chosen, own=own), same=True)
        self._switch("deliveries")

    def _switch(self, to: str) -> None:
        """Show a part. Where there is room for all of them, only the lists take turns."""
        self.part = to
        before = self.classes
        for part in ("pace", "reasons"):
            self.set_class(to == part, f"-{part}", update=False)  # which would style the whole screen anew
        if self.classes != before and not self.classes >= ROOM_FOR_ALL:
            self.app.stylesheet.update_nodes(self.query(TAKE_TURNS))
        if to in ("batches", "deliveries"):
            self.query_one(ContentSwitcher).current = to
            self._table.focus()
        elif to == "reasons":
            self.query_one(Reasons).focus()
        else:
            self.set_focus(None)
        self._name_section()
        self.refresh_bindings()

    def _name_section(self) -> None:
        """Say which part it is, and what can be done there."""
        named, hint = HINTS[self.part]
        if self.part == "deliveries":
            named += f": {inert(self.slice.words, 80)}"
        told = (named, "bold"), (f"  {keyed(hint)}", "$quiet")
        self.query_one("#section", Static).update(Content.assemble(*told), layout=False)
        self.query_one(Parts).mark(self.part)

    @on(VirtualTable.Selected, "#batches")
    def _open_batch(self, event: VirtualTable.Selected) -> None:
        self._show_deliveries(Slice(f"batch {event.key}", 0, batch_id=event.key))

    @on(Reasons.Chosen)
    def _open_reason(self, event: Reasons.Chosen) -> None:
        self._show_deliveries(failed_slice(event.failure))

    @on(Strip.Chosen)
    def _open_stretch(self, event: Strip.Chosen) -> None:
        worst = max(event.stretches, key=lambda one: one.worst or 0.0)
        self._show_worst(worst)

    @work(group="delivery", exclusive=True)
    async def _show_worst(self, stretch: throughput.Stretch) -> None:
        batch = await self.app.read(lambda c: throughput.worst_batch(c, self.blast_id, stretch))
        self._show_deliveries(Slice(f"batch {batch}", 0, batch_id=batch))

    @on(VirtualTable.Selected, "#deliveries")
    def _open_delivery(self, event: VirtualTable.Selected) -> None:
        self._show_delivery(event.key)

    @work(group="delivery", exclusive=True)
    async def _show_delivery(self, delivery_id: int) -> None:
        blast, found = await self.app.read(
            lambda c: (ledger.get(c, self.blast_id), deliveries.get(c, delivery_id))
        )
        self.app.push_screen(DeliveryScreen(blast, *found))

    def action_batches(self) -> None:
        """The batches."""
        self._switch("batches")

    def action_deliveries(self) -> None:
        """All deliveries."""
        self._show_deliveries(Slice("all", 0))

    @property
    def seen(self) -> Slice | None:
        """The deliveries in view, or those of the reason in hand."""
        found = self.query_one(Reasons).in_hand if self.part == "reasons" else None
        return failed_slice(found) if found is not None else super().seen

    def action_pace(self) -> None:
        """Its speed over its time."""
        self._switch("pace")

    def action_reasons(self) -> None:
        """Why deliveries failed."""
        self._switch("reasons")

    def action_incident(self) -> None:
        """What happened, for people who were not there."""
        from console.screens.incident import IncidentScreen

        self.app.push_screen(IncidentScreen(self.blast_id))

    def action_filter(self) -> None:
        """Choose which deliveries to show."""
        if self.standing is not None:
            self.app.push_screen(FilterScreen(all_slices(self.standing, self.reached)), self._filter)

    def _filter(self, chosen: Slice | None) -> None:
        if chosen is not None:
            self._show_deliveries(chosen)

    def action_fetched(self) -> None:
        """Deliveries that no phone has fetched; then those that one has; then all."""
        if self.reached is not None:
            after = {None: False, False: True, True: None}[
                self.slice.fetched if self._in_deliveries else None
            ]
            chosen = Slice("all", 0) if after is None else fetched_slice(after, self.reached)
            self._show_deliveries(chosen)

    def action_back(self) -> None:
        """From any other part to the batches, from there to the blasts."""
        if self.part != "batches":
            self._switch("batches")
        else:
            self.dismiss()
