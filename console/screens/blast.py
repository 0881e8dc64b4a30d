"""One blast: how it stands, read once a second, and below it its batches or its deliveries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from textual import on, work
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Static

from console.actions import bindings
from console.plain import inert
from console.screens.ask import Ask
from console.screens.base import ConsoleScreen
from console.screens.blast_lists import BATCH_COLUMNS, DELIVERY_COLUMNS, EMPTY, batch_source, delivery_source
from console.screens.blast_questions import (
    FilterScreen,
    RateScreen,
    RetryScreen,
    Slice,
    all_slices,
    failed_slices,
)
from console.screens.delivery import DeliveryScreen
from console.screens.launch import LaunchScreen
from console.widgets.progress import Progress, Standing, standing
from console.widgets.table import VirtualTable
from jobs import blasts
from store import deliveries
from store.errors import UsageError

ENDED = ("finished", "cancelled")


class BlastScreen(ConsoleScreen):
    """One blast. What its keys may do follows its state."""

    CSS_PATH = "../styles/blast.tcss"
    BINDINGS = bindings("blast")
    AUTO_FOCUS = "#batches"
    mode = "blasts"
    look_seconds = 1.0

    def __init__(self, blast_id: int) -> None:
        super().__init__()
        self.blast_id = blast_id
        self.standing: Standing | None = None
        self.slice = Slice("all", 0)
        self._looking = False

    def body(self) -> Iterable[Widget]:
        """The head, and one of the two lists."""
        with Vertical(id="blast"):
            yield Progress(self.app.desk.settings)
            yield Static(id="section", markup=False)
            with ContentSwitcher(initial="batches"):
                yield VirtualTable(BATCH_COLUMNS, id="batches", empty=EMPTY["batches"], stick_to_top=True)
                yield VirtualTable(DELIVERY_COLUMNS, id="deliveries", empty=EMPTY["deliveries"])

    def on_mount(self) -> None:
        """Show the batches and begin to look."""
        super().on_mount()
        self.query_one("#batches", VirtualTable).show(batch_source(self.app.read, self.blast_id))
        self._name_section()

    # Looking

    def look_again(self) -> None:
        """Read how it stands and what is visible; a slow store is not asked twice at once."""
        if not self._looking:
            self._looking = True
            self._look()

    @work(group="look")
    async def _look(self) -> None:
        account = self.app.desk.settings.account
        try:
            now = await self.app.read(lambda connection: standing(connection, account, self.blast_id))
        except UsageError as error:
            self.app.tell(error)
            self.dismiss()
            return
        finally:
            self._looking = False
        self.standing = now
        self.query_one(Progress).show(now)
        self.refresh_bindings()
        self._table.refresh_rows()

    @property
    def _table(self) -> VirtualTable:
        return self.query_one(f"#{self.query_one(ContentSwitcher).current}", VirtualTable)

    def _show_deliveries(self, chosen: Slice) -> None:
        self.slice = chosen
        source = delivery_source(self.app.read, self.blast_id, chosen)
        self.query_one("#deliveries", VirtualTable).show(source)
        self._switch("deliveries")

    def _switch(self, to: str) -> None:
        self.query_one(ContentSwitcher).current = to
        self._table.focus()
        self._name_section()
        self.refresh_bindings()

    def _name_section(self) -> None:
        """Say which list it is, and how to get to the other."""
        if self.query_one(ContentSwitcher).current == "batches":
            told = ("Batches", "  those with failures first; Enter shows one's deliveries, d all")
        else:
            told = (f"Deliveries: {inert(self.slice.words, 80)}", "  Enter shows one, / others, b batches")
        self.query_one("#section", Static).update(Content.assemble((told[0], "bold"), (told[1], "$quiet")))

    @on(VirtualTable.Selected, "#batches")
    def _open_batch(self, event: VirtualTable.Selected) -> None:
        self._show_deliveries(Slice(f"batch {event.key}", 0, batch_id=event.key))

    @on(VirtualTable.Selected, "#deliveries")
    def _open_delivery(self, event: VirtualTable.Selected) -> None:
        self._show_delivery(event.key)

    @work(group="delivery", exclusive=True)
    async def _show_delivery(self, delivery_id: int) -> None:
        found, tried = await self.app.read(lambda connection: deliveries.get(connection, delivery_id))
        self.app.push_screen(DeliveryScreen(found, tried))

    def action_batches(self) -> None:
        """The batches."""
        self._switch("batches")

    def action_deliveries(self) -> None:
        """All deliveries."""
        self._show_deliveries(Slice("all", 0))

    def action_filter(self) -> None:
        """Choose which deliveries to show."""
        if self.standing is not None:
            self.app.push_screen(FilterScreen(all_slices(self.standing)), self._filter)

    def _filter(self, chosen: Slice | None) -> None:
        if chosen is not None:
            self._show_deliveries(chosen)

    def action_back(self) -> None:
        """From the deliveries to the batches, from there to the blasts."""
        if self.query_one(ContentSwitcher).current == "deliveries":
            self._switch("batches")
        else:
            self.dismiss()

    # The verbs

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key that its state forbids is dim; launch and resume are only there where they mean something."""
        now = self.standing
        state = now.blast.state if now else ""
        started = state in ("running", "paused", "held")
        match action:
            case "pause":
                return state in ("running", "held") or None
            case "resume":
                return state in ("paused", "held")
            case "launch":
                return state in ("planned", "scheduled", "missed")
            case "cancel":
                return state not in ("", *ENDED) or None
            case "rate":
                return started or state == "planned" or None
            case "retry":
                return bool(now and now.failures and (started or state == "finished")) or None
        return super().check_action(action, parameters)

    def _act(self, verb: Callable[..., Any], **more: Any) -> None:
        """Run a verb on this blast, and look at what came of it."""
        self._acted(partial(self._call, verb, **more))

    def _call(self, verb: Callable[..., Any], **more: Any) -> Any:
        desk = self.app.desk
        return verb(desk.database, desk.settings, self.blast_id, actor=desk.actor, **more)

    @work(group="act")
    async def _acted(self, verb: Callable[[], Any]) -> None:
        await self.app.act(verb)
        self.look_again()

    def action_pause(self) -> None:
        """Stop sending."""
        self._act(blasts.pause)

    def action_resume(self) -> None:
        """Go on."""
        self._act(blasts.resume, ring=self.app.desk.ring)

    def action_cancel(self) -> None:
        """End it for good, after asking."""
        if self.standing is None:
            return
        left = self.standing.tally.open
        question = Ask(
            f"Cancel blast {self.blast_id} for good?",
            f"{left:,} passes that wait will never get it. What was accepted stays on the phones.",
            yes="Cancel the blast",
            no="Keep it",
            danger=True,
        )
        self.app.push_screen(question, lambda yes: self._act(blasts.cancel) if yes else None)

    def action_retry(self) -> None:
        """Try failed ones again, after saying how many."""
        if self.standing is not None:
            self._ask_retry(self.standing)

    @work(group="ask", exclusive=True)
    async def _ask_retry(self, now: Standing) -> None:
        batch_id, batch = self._batch_in_view(), None
        if batch_id is not None:
            count = partial(deliveries.count, blast_id=self.blast_id, state="failed", batch_id=batch_id)
            batch = Slice(f"failed in batch {batch_id}", await self.app.read(count), batch_id=batch_id)
        question = RetryScreen(failed_slices(now, batch), self.app.desk.settings.mode)
        chosen = await self.app.push_screen_wait(question)
        if chosen is not None:
            self._act(blasts.retry, ring=self.app.desk.ring, batch_id=chosen.batch_id, reason=chosen.reason)

    def _batch_in_view(self) -> int | None:
        if self.query_one(ContentSwitcher).current == "batches":
            key: int | None = self.query_one("#batches", VirtualTable).cursor_key
            return key
        return self.slice.batch_id

    def action_rate(self) -> None:
        """Change its own limit."""
        if self.standing is not None:
            account = self.app.desk.settings.passkit.rate_per_second
            question = RateScreen(self.standing.blast.rate_per_second, account)
            self.app.push_screen(question, self._set_rate)

    def _set_rate(self, typed: str | None) -> None:
        if typed is not None:
            self._act(blasts.set_rate, per_second=float(typed) if typed else None)

    def action_launch(self) -> None:
        """Ask to launch it."""
        if (now := self.standing) is not None:
            self.app.push_screen(LaunchScreen(now.blast, now.tally, now.program), lambda _: self.look_again())
