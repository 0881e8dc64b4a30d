"""A question with two answers, the harmless one first in hand."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Label, Static

from console.actions import bindings
from console.plain import inert, inert_lines
from console.screens.asking import Asking, Box


class Ask(Asking[bool]):
    """True for yes. The focus is on no, so that a hasty Enter does nothing."""

    BINDINGS = bindings("ask")
    CSS = """
    Ask {
        & > #question {
            width: 64; max-width: 90%; height: auto; max-height: 90%;
            padding: 1 2; background: $surface; border: round $primary;
        }
        &.danger > #question { border: round $error; }
        & #title { text-style: bold; width: 1fr; }
        & #sentence { margin: 1 0; width: 1fr; height: auto; }
        & #answers { height: auto; align-horizontal: right; }
        & Button { margin-left: 2; }
    }
    """

    def __init__(
        self, title: str, sentence: str, *, yes: str, no: str = "Cancel", danger: bool = False
    ) -> None:
        super().__init__(classes="danger" if danger else "")
        self._title, self._sentence, self._yes, self._no, self._danger = title, sentence, yes, no, danger

    def compose(self) -> ComposeResult:
        """The title, the sentence, and the two answers."""
        with Box(id="question"):
            yield Label(inert(self._title, 200), id="title", markup=False)
            yield Static(inert_lines(self._sentence), id="sentence", markup=False)
            with Horizontal(id="answers"):
                yield Button(self._no, id="no")
                yield Button(self._yes, id="yes", variant="error" if self._danger else "primary")

    def on_mount(self) -> None:
        """Put the focus on no."""
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Give the answer."""
        self.dismiss(event.button.id == "yes")

    def action_cancel(self) -> None:
        """No."""
        self.dismiss(False)
