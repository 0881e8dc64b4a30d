"""The last question before phones light up: where, who, what, how many. Cancel has the focus."""

from __future__ import annotations

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from console import words
from console.actions import bindings
from console.app import Console
from console.widgets.figures import fact_lines, figure_lines, messaged_lines, messaged_of, skipped_lines
from jobs import blasts
from store.ledger import Blast, Tally

WIDTH = 68
"""Cells of the facts, so that they fit the smallest terminal."""

WHERE = {
    "LIVE": "Real phones get this message.",
    "REHEARSAL": "The stand-in PassKit answers: no phone gets anything.",
}


class LaunchScreen(ModalScreen[bool]):
    """Asks to launch a planned blast, and launches it. True where it runs, False where it was left alone."""

    CSS_PATH = "../styles/launch.tcss"
    BINDINGS = bindings("launch")
    AUTO_FOCUS = "#cancel"
    app = getters.app(Console)

    def __init__(self, blast: Blast, tally: Tally, program: str) -> None:
        super().__init__()
        self.blast, self.tally, self.program = blast, tally, program
        self.count = tally.counts["pending"]

    def compose(self) -> ComposeResult:
        """The facts, the count to type where it is large, and the two buttons."""
        settings = self.app.desk.settings
        with Vertical(id="question", classes=f"-{settings.mode.lower()}"):
            yield Static(
                Content.assemble((f" {settings.mode} ", "bold reverse"), "  ", WHERE[settings.mode]),
                id="mode",
            )
            with VerticalScroll(id="facts"):
                yield Static(self._facts(), markup=False)
                yield Static(self._figures(), id="figures", markup=False)
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
                yield Button(
                    Content(f"Launch to {self.count:,}"),
                    id="launch",
                    variant="error" if settings.live else "primary",
                    disabled=self.must_type or not self.count,
                )

    def on_mount(self) -> None:
        """Take toasts away: they would cover the buttons."""
        self.app.clear_notifications()

    @property
    def must_type(self) -> bool:
        """Whether the count is so large that it has to be typed."""
        return self.count >= self.app.desk.settings.console.type_count_from

    def _facts(self) -> Content:
        settings = self.app.desk.settings
        account = (
            f"{settings.account}, PassKit {settings.passkit.base_url}" if settings.live else settings.account
        )
        facts = {
            "Program": self.program[:200],
            "Account": account,
            "Audience": self.blast.audience[:300],
            "Text": self.blast.text,
        }
        return Content("\n").join(fact_lines(facts, WIDTH))

    def _figures(self) -> Content:
        messages = "message" if self.count == 1 else "messages"
        time = words.duration(blasts.eta_seconds(self.count, self.app.desk.settings, self.blast))
        parts = [
            Content.styled(f"{self.count:>9,}  {messages} will be sent, in about {time}", "bold"),
            figure_lines(messaged_lines(messaged_of(self.tally)), WIDTH),
        ]
        if skipped := self.tally.counts["skipped"]:
            parts.append(Content.styled(f"\n{skipped:>9,}  passes are left out", "bold"))
            parts.append(figure_lines(skipped_lines(self.tally.skipped_by_reason), WIDTH))
        return Content("\n").join(part for part in parts if part)

    @on(Input.Changed, "#typed")
    def _check_count(self, event: Input.Changed) -> None:
        """Only the very count opens the launch."""
        self.query_one("#launch", Button).disabled = not self._is_count(event.value)

    @on(Input.Submitted, "#typed")
    def _to_the_button(self, event: Input.Submitted) -> None:
        """Enter in the field launches nothing: it goes on to the button once the count is right."""
        if self._is_count(event.value):
            self.query_one("#launch", Button).focus()

    def _is_count(self, typed: str) -> bool:
        digits = typed.translate(str.maketrans("", "", "., "))
        return digits.isascii() and digits.isdigit() and int(digits) == self.count > 0

    @on(Button.Pressed, "#launch")
    @work(exit_on_error=True)
    async def _launch(self) -> None:
        """Launch exactly what was shown; where that is refused, the sentence says why."""
        self.query_one("#launch", Button).disabled = True
        desk, settings = self.app.desk, self.app.desk.settings
        launched = await self.app.act(
            lambda: blasts.launch(
                desk.database, settings, self.blast.id, expect=self.count, actor=desk.actor, ring=desk.ring
            )
        )
        self.dismiss(launched is not None)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Leave the plan alone."""
        self.dismiss(False)
