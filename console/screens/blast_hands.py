"""The hands on a blast: what its keys do to it, what stands in their way, and what they ask before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from textual import work
from textual.widgets import ContentSwitcher

from console.screens.ask import Ask
from console.screens.base import ConsoleScreen
from console.screens.blast_questions import (
    Limits,
    MissedScreen,
    RateScreen,
    RetryScreen,
    Slice,
    failed_slices,
    place_of,
)
from console.screens.launch import LaunchScreen
from console.widgets.funnel import Reached
from console.widgets.progress import Standing, missed_in_words
from console.widgets.table import VirtualTable
from jobs import blasts, plans
from store import deliveries, ledger, presets, rules
from store.times import now as this_moment

UNREAD = "The blast is being read: press the key again in a moment."


class BlastHands(ConsoleScreen):
    """A blast's screen as far as it acts. What its keys may do follows its state."""

    def __init__(self, blast_id: int) -> None:
        super().__init__()
        self.blast_id = blast_id
        self.standing: Standing | None = None
        self.reached: Reached | None = None
        self.slice = Slice("all", 0)
        self._looking = self._look_once_more = False
        self._look_from = 0.0

    @property
    def _own(self) -> bool:
        """Whether its passes are our own, so that more can be known than the provider's yes."""
        return self.standing is not None and self.standing.program.own

    @property
    def _state(self) -> str:
        return self.standing.blast.state if self.standing else ""

    def _unless_it_may(self, verb: str, refusal: str) -> str:
        if not self._state:
            return UNREAD
        return "" if self._state in ledger.MAY[verb] else refusal

    def needs_sending(self) -> str:
        """Whether there is something to pause."""
        return self._unless_it_may("pause", f"Nothing is being sent: it is {self._state}.")

    def needs_stop(self) -> str:
        """Whether it was stopped and can go on."""
        return self._unless_it_may("resume", f"It was not stopped: it is {self._state}.")

    def needs_wait(self) -> str:
        """Whether it still waits for its launch."""
        return self._unless_it_may("launch", f"It was launched already: it is {self._state}.")

    def needs_open(self) -> str:
        """Whether it has not ended. What was not read yet may be stopped: the store knows."""
        return self._unless_it_may("cancel", f"It is over: {self._state}.") if self._state else ""

    def needs_failures(self) -> str:
        """Whether there are failures that may be tried again."""
        if refusal := self._unless_it_may("retry", f"Nothing is tried again while it is {self._state}."):
            return refusal
        return "" if self.standing and self.standing.failures else "Nothing has failed."

    def needs_fetching(self) -> str:
        """Whether it can be known which phones fetched it."""
        known = self.reached is not None and "apple" in self.reached.funnel.planned
        return "" if known else "Only of our own Apple passes it is known who fetched the text."

    def needs_late(self) -> str:
        """Whether it has ended and there is somebody to nudge."""
        if not self._own or self._state not in ledger.MAY["nudge"]:
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
        """At once; a look that is under way may have begun before it was done."""
        self._look_from = 0.0
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
        self._cancel()

    @work(group="act")
    async def _cancel(self) -> None:
        """By the blast as it is now: right after a launch the screen may not have read it yet."""
        now = await self.app.read(lambda connection: ledger.get(connection, self.blast_id))
        if now.undo_left(this_moment()):
            await self._stop()
            return
        tally = await self.app.read(lambda connection: ledger.progress(connection, self.blast_id))
        question = Ask(
            f"Cancel blast {self.blast_id} for good?",
            f"{tally.open:,} passes that wait will never get it. What was accepted stays on the phones.",
            yes="Cancel the blast",
            no="Keep it",
            danger=True,
        )
        self.app.push_screen(question, lambda yes: self._act(blasts.cancel) if yes else None)

    async def _stop(self) -> None:
        """Cancel within the undo window, and say what had left by then: nothing, or in a close race a few."""
        if await self.app.act(partial(self._call, blasts.cancel)) is None:
            return
        tally = await self.app.read(lambda connection: ledger.progress(connection, self.blast_id))
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
        marked = self.query_one("#deliveries", VirtualTable).marked if self._in_deliveries else []
        failed = await self.app.read(lambda connection: ledger.failed_of(connection, self.blast_id, marked))
        slices = failed_slices(now, batch_id, of_batch, failed)
        first = place_of(slices, self.seen) if self.seen is not None else 0
        question = RetryScreen(slices, self.app.desk.settings.mode, first, own=self._own)
        chosen = await self.app.push_screen_wait(question)
        if chosen is not None:
            which = {"batch_id": chosen.batch_id, "reason": chosen.reason, "ids": chosen.ids}
            which["expect"] = chosen.count
            self._act(blasts.retry, ring=self.app.desk.ring, **which)

    @property
    def seen(self) -> Slice | None:
        """The deliveries in view, where it is some of them."""
        return self.slice if self._in_deliveries else None

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
            self._act(blasts.set_limits, per_second=typed.per_second, deliveries=typed.concurrency)

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
