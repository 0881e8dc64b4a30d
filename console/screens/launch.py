"""The last question before phones light up: what stands in the way, where, who, what, how many.

Cancel has the focus, so that a hasty Enter sends nothing; digits go to the count all the same. The count
is named by keys, or by a mouse alone on a row of digits: one click never sends to many.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

from textual import events, getters, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from console import words
from console.actions import bindings
from console.app import Console
from console.desk import Desk
from console.keymap import key_of, keyed
from console.plain import inert
from console.screens.asking import Asking, Box
from console.widgets.figures import mode_line
from console.widgets.keypad import Keypad
from console.widgets.plan_figures import blocker_lines, plan_facts, plan_figures
from console.widgets.tick import Tick
from jobs import blasts, plans, readiness
from jobs.blasts import Outdated
from jobs.moments import assumed, in_words, read, zone_of
from jobs.plans import Plan
from store.errors import UsageError
from store.ledger import Blast
from store.programs import Program
from store.times import now

WIDTH = 68
"""Cells of the facts, so that they fit the smallest terminal."""


class LaunchScreen(Asking[int | None]):
    """Asks to launch a planned blast, and launches it. Gives the blast that runs or waits for its moment.

    That is another than the one asked for where its plan no longer held and was made anew here; None
    where none was launched.
    """

    CSS_PATH = "../styles/launch.tcss"
    BINDINGS = bindings("launch")
    AUTO_FOCUS = "#cancel"
    app = getters.app(Console)

    def __init__(self, planned: Plan, program: Program, *, focus: str = "") -> None:
        super().__init__()
        self.planned, self.program = planned, program
        self.at: datetime | None = None
        self._before: Blast | None = None
        self._outdated = ""
        self._wrong = self._planning = self._stopped = self._launching = False
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
        with Box(id="question", classes=f"-{settings.mode.lower()}"):
            yield Static(mode_line(settings.mode, own=self.program.own), id="mode")
            with VerticalScroll(id="facts"):
                yield Static(id="blockers", markup=False)
                yield Static(
                    plan_facts(self.planned, self.program, settings, self._before, WIDTH), markup=False
                )
                yield Static(plan_figures(self.planned, self.program, WIDTH), id="figures", markup=False)
            with Horizontal(id="when"):
                yield Static("Start at", id="start")
                given = _typed(self.blast, self.program.time_zone)
                yield Input(given, id="at", placeholder="now", max_length=40, compact=True)
                yield Tick("Urgent: goes first", self.blast.urgent, id="urgent")
            yield Static(id="moment", markup=False)
            with Vertical(id="answers"):
                if self.must_type:
                    yield from self._count_to_type()
                with Horizontal(id="buttons"):
                    yield Button("Cancel", id="cancel")
                    yield Button("Plan anew", id="replan", variant="primary")
                    yield Button("Launch", id="launch", variant="error" if settings.live else "primary")

    def _count_to_type(self) -> ComposeResult:
        with Horizontal(id="check"):
            count = f"{self.count:,}"
            yield Static(Content(f"Type {count} to make sure, or click it:"), id="type")
            yield Input(
                id="typed",
                restrict=r"[0-9., ]*",
                max_length=14,
                placeholder="_" * len(count),
                select_on_focus=False,  # the digit that came in first stays
                compact=True,
            )
        yield Keypad(id="keypad")

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
        """Say at once what stands in the way; a plan that no longer holds is to be made anew."""
        desk, planned = self.app.desk, self.planned
        found = await self.app.act(lambda: readiness.blockers(desk.database, desk.settings, planned))
        if found is None or planned is not self.planned:
            return
        others = [one for one in found if one.kind != "outdated"]
        self.query_one("#blockers", Static).update(blocker_lines(others, WIDTH))
        self.query_one("#blockers").display = bool(others)
        self._stopped = any(one.stops for one in others)
        self._open_launch()
        if found and found[0].kind == "outdated":
            self._say_outdated(found[0].sentence)

    def _say_outdated(self, why: str) -> None:
        self._outdated = why
        self.add_class("-outdated")
        self._look_at_moment()
        self.query_one("#replan").focus()

    @property
    def must_type(self) -> bool:
        """Whether the count is so large that it has to be typed."""
        return self.count >= self.app.desk.settings.console.type_count_from

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
        if self._outdated:
            told = Content.styled(
                inert(f"{self._outdated}: {key_of('launch.replan')} plans it anew.", 400), "$text-error"
            )
        elif trouble:
            told = Content.styled(inert(trouble, 300), "$text-error")
        else:
            told = _moment(self.at, self.blast, zone, self.app.desk.settings.engine.undo_seconds)
        self.query_one("#moment", Static).update(told)
        act = "Launch to" if self.at is None else "Schedule for"
        launch = self.query_one("#launch", Button)
        launch.label = Content(f"{act} {self.count:,}")
        launch.refresh(layout=True)
        self._open_launch()

    @on(Input.Changed, "#typed")
    def _open_launch(self) -> None:
        """Only the very count, and a time that is right, open the launch."""
        counted = not self.must_type or self.count == _number(self.query_one("#typed", Input).value)
        wrong = self._wrong or self._outdated or self._stopped or self._launching
        self.query_one("#launch", Button).disabled = bool(wrong) or not (counted and self.count)

    @on(Input.Submitted)
    def _to_the_next(self) -> None:
        """Enter in a field launches nothing: it goes on to what is missing, and to the button at last.

        Where neither a time nor the count was typed, that is Cancel: Enter held down sends nothing.
        """
        if self._wrong:
            self.query_one("#at").focus()
        elif not self.query_one("#launch").disabled:
            self.query_one("#launch" if self.must_type or self.at is not None else "#cancel").focus()
        elif self.must_type:
            self.query_one("#typed").focus()

    def on_key(self, event: events.Key) -> None:
        """A digit that no field has taken goes to the count, whatever has the focus."""
        digit = event.character
        if self.must_type and not self._outdated and digit and digit.isascii() and digit.isdigit():
            event.stop()
            self._enter(digit)

    @on(Keypad.Pressed)
    def _clicked(self, event: Keypad.Pressed) -> None:
        self._enter(event.digit)

    def _enter(self, digit: str) -> None:
        """Put a digit behind the count, or take the last one away."""
        field = self.query_one("#typed", Input)
        field.focus()
        field.value = field.value + digit if digit else field.value[:-1]
        field.cursor_position = len(field.value)

    @on(Button.Pressed, "#launch")
    @work(exit_on_error=True)
    async def _launch(self) -> None:
        """Launch exactly what was shown; where that is refused, the sentence says why."""
        if self._launching:
            return
        self._launching = True
        self.query_one("#moment", Static).update(Content.styled("Launching …", "$quiet"))
        self._open_launch()
        urgent = self.query_one("#urgent", Tick).value
        launched = await self.app.act(
            partial(_launched, self.app.desk, self.blast, self.count, self.at, urgent=urgent)
        )
        self._launching = False
        if isinstance(launched, Outdated):
            self._say_outdated(launched.why)
        else:
            self.dismiss(launched.id if launched is not None else None)

    def needs_outdated(self) -> str:
        """Whether the plan no longer holds."""
        return "" if self._outdated else "The plan still holds: type the count, or go to Launch with tab."

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
        self._stopped = False
        self._focus = "#cancel"
        self.remove_class("-outdated")
        await self.recompose()
        self._begin()
        self._look_at_plan()

    def action_page_up(self) -> None:
        """What stands above, whatever has the focus."""
        self._scrolls.scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        """What stands below, whatever has the focus."""
        self._scrolls.scroll_page_down(animate=False)

    @property
    def _scrolls(self) -> Widget:
        """The facts; in a low terminal all that is over the answers."""
        return self.query_one("#question" if self.has_class("-low") else "#facts")

    def needs_no_launch(self) -> str:
        """Whether it can still be left alone."""
        told = "It is being launched: the blast's screen, which comes next, can stop it with <blast.cancel>."
        return keyed(told) if self._launching else ""

    @on(Button.Pressed, "#cancel")
    async def _cancelled(self) -> None:
        await self.run_action("cancel")

    def action_cancel(self) -> None:
        """Leave the plan alone."""
        self.dismiss(None)


def _launched(desk: Desk, blast: Blast, count: int, at: datetime | None, *, urgent: bool) -> Blast | Outdated:
    """The blast as it is after the launch, or why its plan no longer holds."""
    if blast.urgent and not urgent:
        blasts.set_urgent(desk.database, desk.settings, blast.id, urgent=False, actor=desk.actor)
    try:
        return blasts.launch(
            desk.database,
            desk.settings,
            blast.id,
            expect=count,
            send_at=at,
            at_once=at is None,
            urgent=urgent,
            ring=desk.ring,
            actor=desk.actor,
        )
    except Outdated as error:
        return error


def _typed(blast: Blast, zone: str | None) -> str:
    """The time that it has already, as it would be typed; a missed one is asked for a new one."""
    send_at = blast.send_at
    if send_at is None or send_at <= now():
        return ""
    local = send_at.astimezone(zone_of(zone)[0])
    typed = f"{local:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
    try:
        return typed if read(typed, zone, at=now()) == send_at else local.isoformat()
    except UsageError:  # as the clocks go back it happens twice: only its offset tells which
        return local.isoformat()


def _moment(at: datetime | None, blast: Blast, zone: str | None, undo_seconds: float) -> Content:
    """When the first message leaves; `at` is None for now."""
    if at is not None:
        wait = words.duration((at - now()).total_seconds())
        return Content(f"{in_words(at, zone)}, in {wait}. {inert(assumed(zone), 120)}")
    return Content.assemble((_passed(blast, zone), "$text-warning"), (_undo(undo_seconds), "$quiet"))


def _passed(blast: Blast, zone: str | None) -> str:
    """That it had a time, which is over: a launch now may not be what was meant."""
    if blast.send_at is None or blast.send_at > now():
        return ""
    return f"Its time, {in_words(blast.send_at, zone)}, has passed.\n"


def _undo(seconds: float) -> str:
    if not seconds:
        return "The first message leaves at once."
    return f"First message {seconds:g} s after the launch; {key_of('blast.cancel')} stops it until then."


def _number(typed: str) -> int:
    """The count that was typed, however its thousands are parted; 0 for none."""
    digits = typed.translate(str.maketrans("", "", "., "))
    return int(digits) if digits.isascii() and digits.isdigit() else 0
