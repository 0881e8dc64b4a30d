"""The last question before phones light up: where, who, what, how many. Cancel has the focus."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from console import words
from console.actions import Acting, bindings
from console.app import Console
from console.plain import inert
from console.widgets.cells import wrapped
from console.widgets.figures import (
    ROOM,
    fact_lines,
    figure_lines,
    messaged_lines,
    messaged_of,
    mode_line,
    skipped_lines,
    waiting_lines,
)
from console.widgets.tick import Tick
from jobs import blasts, plans
from jobs.blasts import Outdated
from jobs.moments import assumed, in_words, read, zone_of
from jobs.plans import Plan
from store.errors import UsageError
from store.ledger import Blast
from store.programs import Program
from store.rules import service_skips
from store.times import now

WIDTH = 68
"""Cells of the facts, so that they fit the smallest terminal."""


class LaunchScreen(Acting, ModalScreen[int | None]):
    """Asks to launch a planned blast, and launches it. Gives the blast that runs or waits for its moment.

    That is another than the one asked for where its plan no longer held and was made anew here; None
    where none was launched.
    """

    CSS_PATH = "../styles/launch.tcss"
    BINDINGS = bindings("launch")
    app = getters.app(Console)

    def __init__(self, planned: Plan, program: Program, *, focus: str = "") -> None:
        super().__init__()
        self.planned, self.program = planned, program
        self.at: datetime | None = None
        self._before: Blast | None = None
        self._outdated = ""
        self._wrong = self._planning = False
        self._focus = focus or "#cancel"

    @property
    def blast(self) -> Blast:
        """The blast that is launched."""
        return self.planned.blast

    @property
    def count(self) -> int:
        """The messages that it sends."""
        return self.planned.tally.counts["pending"]

    def compose(self) -> ComposeResult:
        """The facts, when and how, the count to type where it is large, and the two buttons."""
        settings = self.app.desk.settings
        with Vertical(id="question", classes=f"-{settings.mode.lower()}"):
            yield Static(mode_line(settings.mode, own=self.program.own), id="mode")
            with VerticalScroll(id="facts"):
                yield Static(self._facts(), markup=False)
                yield Static(self._figures(), id="figures", markup=False)
            with Horizontal(id="when"):
                yield Static("Start at", id="start")
                yield Input(self._moment(), id="at", placeholder="now", max_length=40, compact=True)
                yield Tick("Urgent: goes first", self.blast.urgent, id="urgent")
            yield Static(id="moment", markup=False)
            if self.must_type:
                with Horizontal(id="check"):
                    count = f"{self.count:,}"
                    yield Static(Content(f"Type {count} to make sure (shift+tab to the field):"), id="type")
                    yield Input(
                        id="typed",
                        restrict=r"[0-9., ]*",
                        max_length=14,
                        placeholder="_" * len(count),
                        compact=True,
                    )
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel")
                yield Button("Plan anew", id="replan", variant="primary")
                yield Button("Launch", id="launch", variant="error" if settings.live else "primary")

    def on_mount(self) -> None:
        """Take toasts away: they would cover the buttons. Cancel has the focus, or the field for the time."""
        self.app.clear_notifications()
        self._begin()
        self._look_at_plan()

    def _begin(self) -> None:
        self._look_at_moment()
        self.query_one(self._focus).focus()

    @work
    async def _look_at_plan(self) -> None:
        """Say at once where the launch would be refused for the plan's age or other rules."""
        settings = self.app.desk.settings
        try:
            await self.app.read(lambda c: blasts.check_plan(c, settings, self.blast, at=now()))
        except Outdated as error:
            self._say_outdated(error)

    def _say_outdated(self, error: Outdated) -> None:
        self._outdated = error.why
        self.add_class("-outdated")
        self._look_at_moment()
        self.query_one("#replan").focus()

    def _moment(self) -> str:
        """The time that it has already, as it would be typed; a missed one is asked for a new one."""
        send_at, zone = self.blast.send_at, self.program.time_zone
        if send_at is None or send_at <= now():
            return ""
        local = send_at.astimezone(zone_of(zone)[0])
        typed = f"{local:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
        try:
            return typed if read(typed, zone, at=now()) == send_at else local.isoformat()
        except UsageError:  # as the clocks go back it happens twice: only its offset tells which
            return local.isoformat()

    @property
    def must_type(self) -> bool:
        """Whether the count is so large that it has to be typed."""
        return self.count >= self.app.desk.settings.console.type_count_from

    def _facts(self) -> Content:
        settings = self.app.desk.settings
        account: str = settings.account
        if self.program.own:
            account += f", {words.own_account(settings, self.planned.tally.open_on)}"
        elif settings.live:
            account += f", PassKit {settings.passkit.base_url}"
        facts = {
            "Blast": self._instead(),
            "Program": self.program.name[:200],
            "Account": account,
            "Audience": self.blast.audience[:300],
            "Purpose": self._purpose(),
            "Text": self.blast.text,
        }
        return Content("\n").join(fact_lines(facts, WIDTH))

    def _instead(self) -> str:
        """Of which blast it is the new plan."""
        return "" if self._before is None else f"{self.blast.id}, planned anew from {self._before.id}"

    def _purpose(self) -> str:
        """What it is for, and which checks it therefore passes over."""
        skips = service_skips(self.app.desk.settings.gate) if self.blast.purpose == "service" else ()
        over = f": passes over {', '.join(skips).replace('_', ' ')}" if skips else ""
        return words.purpose(self.blast) + over

    def _figures(self) -> Content:
        tally = self.planned.tally
        messages = "message" if self.count == 1 else "messages"
        time = words.duration(self.planned.eta_seconds)
        messaged = messaged_lines(messaged_of(tally), own=self.program.own)
        told = [*messaged, *waiting_lines(tally, self.program.time_zone)]
        parts = [
            Content.styled(f"{self.count:>9,}  {messages} will be sent, taking about {time}", "bold"),
            figure_lines(told, WIDTH),
        ]
        if skipped := tally.counts["skipped"]:
            parts.append(Content.styled(f"\n{skipped:>9,}  passes are left out", "bold"))
            parts.append(figure_lines(skipped_lines(tally.skipped_by_reason), WIDTH))
        if (found := self.planned.difference) is not None:
            ago = words.duration((now() - found.planned_at).total_seconds())
            against = f"Against blast {found.previous}, planned {ago} ago"
            lines = [(number, told, "$quiet") for number, told in words.difference(found)]
            same = "" if lines else ": the same passes, the same answers"
            hanging = f"\n{'':{ROOM + 2}}".join(wrapped(against + same, WIDTH - ROOM - 2))
            parts.append(Content.styled(f"\n{'':{ROOM + 2}}{hanging}", "bold"))
            parts.append(figure_lines(lines, WIDTH))
        return Content("\n").join(part for part in parts if part)

    @on(Input.Changed, "#at")
    def _look_at_moment(self) -> None:
        """Say which moment is meant, here and in UTC, or what is wrong with it."""
        typed, zone = self.query_one("#at", Input).value.strip(), self.program.time_zone
        self.at, trouble = None, ""
        try:
            self.at = read(typed, zone, at=now()) if typed else None
        except UsageError as error:
            trouble = str(error)
        self._wrong = bool(trouble)
        told = Content.styled(inert(trouble, 300), "$text-error")
        if self.at is not None:
            wait = words.duration((self.at - now()).total_seconds())
            told = Content(f"{in_words(self.at, zone)}, in {wait}. {inert(assumed(zone), 120)}")
        elif not trouble:
            told = Content.assemble((self._passed(), "$text-warning"), (self._undo(), "$quiet"))
        if self._outdated:
            told = Content.styled(inert(f"{self._outdated}: ctrl+r plans it anew.", 400), "$text-error")
        self.query_one("#moment", Static).update(told)
        act = "Launch to" if self.at is None else "Schedule for"
        launch = self.query_one("#launch", Button)
        launch.label = Content(f"{act} {self.count:,}")
        launch.refresh(layout=True)
        self._open_launch()

    def _passed(self) -> str:
        """That it had a time, which is over: a launch now may not be what was meant."""
        send_at = self.blast.send_at
        if send_at is None or send_at > now():
            return ""
        return f"Its time, {in_words(send_at, self.program.time_zone)}, has passed.\n"

    def _undo(self) -> str:
        undo = self.app.desk.settings.engine.undo_seconds
        if not undo:
            return "The first message leaves at once."
        return f"First message {undo:g} s after the launch; x stops it until then."

    @on(Input.Changed, "#typed")
    def _open_launch(self) -> None:
        """Only the very count, and a time that is right, open the launch."""
        counted = not self.must_type or self._is_count(self.query_one("#typed", Input).value)
        ready = counted and self.count and not self._wrong and not self._outdated
        self.query_one("#launch", Button).disabled = not ready

    @on(Input.Submitted)
    def _to_the_next(self) -> None:
        """Enter in a field launches nothing: it goes on to what is missing, and to the button at last."""
        if self._wrong:
            self.query_one("#at").focus()
        elif not self.query_one("#launch").disabled:
            self.query_one("#launch").focus()
        elif self.must_type:
            self.query_one("#typed").focus()

    def _is_count(self, typed: str) -> bool:
        digits = typed.translate(str.maketrans("", "", "., "))
        return digits.isascii() and digits.isdigit() and int(digits) == self.count > 0

    @on(Button.Pressed, "#launch")
    @work(exit_on_error=True)
    async def _launch(self) -> None:
        """Launch exactly what was shown; where that is refused, the sentence says why."""
        self.query_one("#launch", Button).disabled = True
        urgent = self.query_one("#urgent", Tick).value
        launched = await self.app.act(partial(self._act, urgent))
        if isinstance(launched, Outdated):
            self._say_outdated(launched)
        else:
            self.dismiss(launched.id if launched is not None else None)

    def _act(self, urgent: bool) -> Blast | Outdated:
        desk, who = self.app.desk, {"actor": self.app.desk.actor}
        if self.blast.urgent and not urgent:
            blasts.set_urgent(desk.database, desk.settings, self.blast.id, urgent=False, **who)
        try:
            return blasts.launch(
                desk.database,
                desk.settings,
                self.blast.id,
                expect=self.count,
                send_at=self.at,
                at_once=self.at is None,
                urgent=urgent,
                ring=desk.ring,
                **who,
            )
        except Outdated as error:
            return error

    @on(Button.Pressed, "#replan")
    def action_replan(self) -> None:
        """Plan it anew and ask again, with the new count. A second press meanwhile does nothing."""
        if self._outdated and not self._planning:
            self._planning = True
            self.query_one("#moment", Static).update(Content.styled("Planning it anew …", "$quiet"))
            self._replan()

    @work(exit_on_error=True)
    async def _replan(self) -> None:
        desk, before = self.app.desk, self.blast
        planned = await self.app.act(
            lambda: plans.plan_again(desk.database, desk.settings, before.id, actor=desk.actor)
        )
        if planned is None:
            self.dismiss(None)
            return
        self.planned, self._before, self._outdated, self._planning = planned, before, "", False
        self._focus = "#cancel"
        self.remove_class("-outdated")
        await self.recompose()
        self._begin()

    def action_page_up(self) -> None:
        """What stands above, whatever has the focus."""
        self.query_one("#facts", VerticalScroll).scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        """What stands below, whatever has the focus."""
        self.query_one("#facts", VerticalScroll).scroll_page_down(animate=False)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Leave the plan alone."""
        self.dismiss(None)
