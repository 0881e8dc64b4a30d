"""One member: all that is known, what it consented to and asked for, and the verbs that change that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from textual import work
from textual.app import ComposeResult
from textual.containers import Grid, VerticalScroll
from textual.widgets import Static

from console.actions import bindings
from console.desk import Desk
from console.plain import inert, inert_lines
from console.screens import member_questions as questions
from console.screens.drawn import Window
from console.screens.form import Form
from console.widgets import member_facts as facts
from console.widgets.footer import Footer
from console.widgets.member_facts import Known
from store.errors import PassbellError


class MemberScreen(Window[None]):
    """Read when it opens, and again when something was changed here."""

    CSS_PATH = "../styles/member.tcss"
    BINDINGS = bindings("member")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (160, "-wide")]
    AUTO_FOCUS = "#member"

    def __init__(self, program_id: str, external_id: str) -> None:
        super().__init__()
        self._program_id, self._external_id = program_id, external_id
        self._known: Known | None = None

    def compose(self) -> ComposeResult:
        """One column of text, two where there is room; longer ones scroll."""
        with VerticalScroll(id="member"):
            yield Static("Reading …", id="trouble", markup=False)
            with Grid():
                for part in ("who", "may", "has", "past"):
                    yield Static(id=part, markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Read the member."""
        self._read()

    @work(group="read", exclusive=True)
    async def _read(self) -> None:
        trouble, account = self.query_one("#trouble", Static), self.app.desk.settings.account
        try:
            known = await self.app.read(
                lambda connection: facts.read(connection, account, self._program_id, self._external_id)
            )
        except PassbellError as error:
            trouble.update(inert(str(error)))
            return
        trouble.display = False
        self._known = known
        for part in ("who", "may", "has", "past"):
            self.query_one(f"#{part}", Static).update(getattr(facts, part)(known))
        self.refresh_bindings()

    def needs_member(self) -> str:
        """Whether the member was read."""
        return "" if self._known is not None else "The member is being read."

    def needs_suppression(self) -> str:
        """Whether there is something to lift."""
        return self.needs_member() or (
            "" if self._known and self._known.suppressed else "Nothing is suppressed."
        )

    def action_close(self) -> None:
        """Back to the list."""
        self.dismiss()

    def action_why(self) -> None:
        """Why messages get here, or do not."""
        from console.screens.why import WhyScreen

        self.app.push_screen(WhyScreen(self._program_id, self._external_id))

    def action_give(self) -> None:
        """Record a consent."""
        self._ask(partial(questions.consent, given=True))

    def action_withdraw(self) -> None:
        """Record a withdrawal."""
        self._ask(partial(questions.consent, given=False))

    def action_suppress(self) -> None:
        """Keep messages from this person."""
        self._ask(questions.suppress)

    def action_lift(self) -> None:
        """Take a suppression back."""
        self._ask(questions.lift)

    def action_wishes(self) -> None:
        """Change what the member asked for."""
        self._ask(questions.wishes)

    def _ask(self, make: Callable[[Desk, Known], Form[str]]) -> None:
        if self._known is not None:
            self.app.push_screen(make(self.app.desk, self._known), self._done)

    def _done(self, told: str | None) -> None:
        if told is not None:
            self.app.notify(inert_lines(told), markup=False)
            self._read()
