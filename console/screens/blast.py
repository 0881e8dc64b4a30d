"""One blast: how it stands, read once a second, and below it its batches or its deliveries."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
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
from console.screens.blast_lists import (
    BATCH_COLUMNS,
    DELIVERY_COLUMNS,
    EMPTY,
    OWN_DELIVERY_COLUMNS,
    batch_source,
    delivery_source,
)
from console.screens.blast_questions import (
    FilterScreen,
    Limits,
    MissedScreen,
    RateScreen,
    RetryScreen,
    Slice,
    all_slices,
    failed_slices,
    fetched_slice,
    place_of,
)
from console.screens.delivery import DeliveryScreen
from console.screens.launch import LaunchScreen
from console.widgets.funnel import FunnelView, Reached, reached
from console.widgets.progress import Progress, Standing, missed_in_words, standing
from console.widgets.table import VirtualTable
from jobs import blasts, plans
from store import deliveries, ledger, presets, rules
from store.errors import UsageError
from store.times import now as this_moment

WAITING = ("planned", "scheduled", "missed")
"""States before the first message."""
STARTED = ("running", "paused", "held")
"""States between the first message and the end."""
LATE_SECONDS = 5.0
"""How often late fetchers are counted, once a blast has ended."""
SHARE = 4
"""The funnel of a large blast is counted at most for one part in so many of the time."""


class BlastScreen(ConsoleScreen):
    """One blast. What its keys may do follows its state."""

    CSS_PATH = "../styles/blast.tcss"
    BINDINGS = bindings("blast")
    AUTO_FOCUS = "#batches"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]
    mode = "blasts"
    look_seconds = 1.0

    def __init__(self, blast_id: int) -> None:
        super().__init__()
        self.blast_id = blast_id
        self.standing: Standing | None = None
        self.reached: Reached | None = None
        self.slice = Slice("all", 0)
        self._count_from = 0.0
        self._looking = self._look_once_more = self._asked = False

    def body(self) -> Iterable[Widget]:
        """The head, and one of the two lists."""
        with Vertical(id="blast"):
            yield Progress(self.app.desk.settings)
            yield FunnelView()
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
        if self._look_once_more:
            self._look_once_more = False
            self.look_again()
        self.standing = now
        self.query_one(Progress).show(now)
        if self._own and now.blast.state not in WAITING and time.monotonic() >= self._count_from:
            self._count_from = math.inf
            self._count(now)
        self.refresh_bindings()
        self._table.refresh_rows()
        if now.blast.state != "missed":
            self._asked = False
        elif not self._asked and self.is_current:
            self._asked = True
            self._ask_missed(now)

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
    def _own(self) -> bool:
        """Whether its passes are our own, so that more can be known than the provider's yes."""
        return self.standing is not None and self.standing.program.own

    @property
    def _table(self) -> VirtualTable:
        return self.query_one(f"#{self.query_one(ContentSwitcher).current}", VirtualTable)

    def _show_deliveries(self, chosen: Slice) -> None:
        self.slice, own = chosen, self._own
        table = self.query_one("#deliveries", VirtualTable)
        if own:
            table.columns = OWN_DELIVERY_COLUMNS
        table.show(delivery_source(self.app.read, self.blast_id, chosen, own=own))
        self._switch("deliveries")

    def _switch(self, to: str) -> None:
        self.query_one(ContentSwitcher).current = to
        self._table.focus()
        self._name_section()
        self.refresh_bindings()

    def _name_section(self) -> None:
        """Say which list it is, and how to get to the other."""
        if self.query_one(ContentSwitcher).current == "batches":
            told = ("Batches", "  those with failures first: t tries again, Enter shows one, d all")
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
        blast, found = await self.app.read(
            lambda connection: (
                ledger.get(connection, self.blast_id),
                deliveries.get(connection, delivery_id),
            )
        )
        self.app.push_screen(DeliveryScreen(blast, *found))

    def action_batches(self) -> None:
        """The batches."""
        self._switch("batches")

    def action_deliveries(self) -> None:
        """All deliveries."""
        self._show_deliveries(Slice("all", 0))

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
        """From the deliveries to the batches, from there to the blasts."""
        if self._in_deliveries:
            self._switch("batches")
        else:
            self.dismiss()

    # The verbs

    @property
    def _state(self) -> str:
        return self.standing.blast.state if self.standing else ""

    def needs_sending(self) -> str:
        """Whether there is something to pause."""
        return "" if self._state in ("running", "held") else f"Nothing is being sent: it is {self._state}."

    def needs_stop(self) -> str:
        """Whether it was stopped and can go on."""
        return "" if self._state in ("paused", "held") else f"It was not stopped: it is {self._state}."

    def needs_wait(self) -> str:
        """Whether it still waits for its launch."""
        return "" if self._state in WAITING else f"It was launched already: it is {self._state}."

    def needs_open(self) -> str:
        """Whether it has not ended."""
        return "" if self._state in (*STARTED, *WAITING) else f"It is over: {self._state}."

    def needs_failures(self) -> str:
        """Whether there are failures that may be tried again."""
        if self._state not in (*STARTED, "finished"):
            return f"Nothing is tried again while it is {self._state}."
        return "" if self.standing and self.standing.failures else "Nothing has failed."

    def needs_fetching(self) -> str:
        """Whether it can be known which phones fetched it."""
        known = self.reached is not None and "apple" in self.reached.funnel.planned
        return "" if known else "Only of our own Apple passes it is known who fetched the text."

    def needs_late(self) -> str:
        """Whether it has ended and there is somebody to nudge."""
        if not self._own or self._state != "finished":
            return "Only a finished blast to passes of our own can be nudged."
        return "" if self.reached and self.reached.not_fetched else "Every phone that can has fetched it."

    def _act(self, verb: Callable[..., Any], **more: Any) -> None:
        """Run a verb on this blast, and look at what came of it."""
        self._acted(partial(self._call, verb, **more))

    def _call(self, verb: Callable[..., Any], **more: Any) -> Any:
        desk = self.app.desk
        return verb(desk.database, desk.settings, self.blast_id, actor=desk.actor, **more)

    @work(group="act")
    async def _acted(self, verb: Callable[[], Any]) -> None:
        await self.app.act(verb)
        self._look_at_what_was_done()

    def _look_at_what_was_done(self) -> None:
        """A look that is under way may have begun before it was done."""
        self._look_once_more = self._looking
        self.look_again()

    def action_pause(self) -> None:
        """Stop sending."""
        self._act(blasts.pause)

    def action_resume(self) -> None:
        """Go on."""
        self._act(blasts.resume, ring=self.app.desk.ring)

    def action_cancel(self) -> None:
        """End it for good: at once while nothing has left, later after asking."""
        if self.standing is None:
            return
        if replace(self.standing, at=this_moment()).undo_seconds:
            self._stop()
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

    @work(group="act")
    async def _stop(self) -> None:
        """Cancel within the undo window, and say what had left by then: nothing, or in a close race a few."""
        if await self.app.act(partial(self._call, blasts.cancel)) is None:
            return
        tally = await self.app.read(lambda connection: ledger.tally(connection, self.blast_id))
        left = sum(tally.states[state] for state in ("sending", "accepted", "failed"))
        told = f"{left:,} messages had left already." if left else "Nobody was messaged."
        self.app.notify(f"Stopped. {told}", severity="warning" if left else "information", markup=False)
        self._look_at_what_was_done()

    def action_retry(self) -> None:
        """Try failed ones again, after saying how many."""
        if self.standing is not None:
            self._ask_retry(self.standing)

    @work(group="ask", exclusive=True)
    async def _ask_retry(self, now: Standing) -> None:
        batch_id, of_batch = self._batch_in_view(), []
        if batch_id is not None:
            why = partial(deliveries.failures, blast_id=self.blast_id, batch_id=batch_id)
            of_batch = await self.app.read(why)
        slices = failed_slices(now, batch_id, of_batch)
        first = place_of(slices, self.slice) if self._in_deliveries else 0
        question = RetryScreen(slices, self.app.desk.settings.mode, first, own=self._own)
        chosen = await self.app.push_screen_wait(question)
        if chosen is not None:
            self._act(blasts.retry, ring=self.app.desk.ring, batch_id=chosen.batch_id, reason=chosen.reason)

    @property
    def _in_deliveries(self) -> bool:
        return self.query_one(ContentSwitcher).current == "deliveries"

    def _batch_in_view(self) -> int | None:
        if not self._in_deliveries:
            key: int | None = self.query_one("#batches", VirtualTable).cursor_key
            return key
        return self.slice.batch_id

    def action_rate(self) -> None:
        """Change its own limits."""
        if self.standing is not None:
            blast, account = self.standing.blast, self.app.desk.settings.passkit
            current = Limits(blast.rate_per_second, blast.concurrency)
            question = RateScreen(current, Limits(account.rate_per_second, account.concurrency))
            self.app.push_screen(question, self._set_limits)

    def _set_limits(self, typed: Limits | None) -> None:
        if typed is not None:
            self._acted(partial(self._limit, typed))

    def _limit(self, typed: Limits) -> None:
        """Set what is another than before: each has its own entry in the audit."""
        with self.app.desk.database.read() as connection:
            blast = ledger.get(connection, self.blast_id)
        if typed.per_second != blast.rate_per_second:
            self._call(blasts.set_rate, per_second=typed.per_second)
        if typed.concurrency != blast.concurrency:
            self._call(blasts.set_concurrency, deliveries=typed.concurrency)

    def action_urgent(self) -> None:
        """Let it go before the others, or no longer."""
        if self.standing is not None:
            self._act(blasts.set_urgent, urgent=not self.standing.blast.urgent)

    def action_nudge(self) -> None:
        """Write to those whose phone has not fetched it."""
        if self.standing is not None:
            self._nudge(self.standing)

    @work(group="nudge", exclusive=True)
    async def _nudge(self, now: Standing) -> None:
        gate, program_id = self.app.desk.settings.gate, now.program.id
        held = await self.app.read(lambda connection: rules.effective(connection, gate, program_id))
        told = []
        if minutes := held.pass_interval_minutes:
            told.append(f"Not too soon: a pass waits {minutes:g} min after its last message.")
        if self.reached is not None and "google" in self.reached.funnel.planned:
            told.append("Google tells nobody who fetched: only those with Apple Wallet are meant.")
        wanted = presets.of_blast(self.blast_id, fetched=False)
        self.app.call_later(self._write_to, program_id, wanted, " ".join(told))

    async def _write_to(self, program_id: str, wanted: str, told: str) -> None:
        """Once Compose is open the hint is shown over it."""
        await self.app.open_compose(program_id, predicate=wanted)
        if told:
            self.app.notify(told, title="Nudge", timeout=10, markup=False)

    def action_launch(self) -> None:
        """Ask to launch it; a missed one first asks what shall become of it."""
        if (now := self.standing) is not None:
            if now.blast.state == "missed":
                self._ask_missed(now)
            else:
                self._ask_launch(now)

    @work(group="launch", exclusive=True)
    async def _ask_launch(self, now: Standing, *, focus: str = "") -> None:
        settings = self.app.desk.settings
        planned = await self.app.read(lambda connection: plans.look_at(connection, settings, self.blast_id))
        if self.is_current:
            self.app.push_screen(LaunchScreen(planned, now.program, focus=focus), self._launched)

    def _launched(self, blast_id: int | None) -> None:
        """Look at it, or at the one that was planned and launched in its place."""
        if blast_id in (None, self.blast_id):
            self._look_at_what_was_done()
        else:
            self.app.call_later(self.app.open_blast, blast_id)

    def _ask_missed(self, now: Standing) -> None:
        def answer(chosen: str | None) -> None:
            if chosen == "cancel":
                self.action_cancel()
            elif chosen is not None:
                self._ask_launch(now, focus="#at" if chosen == "at" else "")

        self.app.push_screen(MissedScreen(missed_in_words(now)), answer)
