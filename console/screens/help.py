"""Help: the keys that work here, made from the table that they work by."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from console.actions import SCOPES, Acting, Action, bindings, of_scope
from console.widgets.cells import wrapped

ROOM = 18
"""Cells of the keys' column."""
MEANING = 49
"""Cells that a meaning has beside its keys, where the terminal has 80."""


class HelpScreen(Acting, ModalScreen[None]):
    """What can be done on the screen it was asked from, in lists, and everywhere."""

    BINDINGS = bindings("help")
    CSS = """
    HelpScreen {
        & > #help {
            width: 78; max-width: 96%; height: auto; max-height: 92%;
            padding: 1 2; background: $surface; border: round $primary; scrollbar-size-vertical: 1;
        }
    }
    """

    def __init__(self, over: Screen[Any]) -> None:
        super().__init__()
        self._scopes = [scope for scope in scopes_of(over) if of_scope(scope)]

    def compose(self) -> ComposeResult:
        """One list a scope."""
        with VerticalScroll(id="help") as box:
            box.border_subtitle = "! messages people, or cannot be undone · esc close"
            yield Static(Content("\n").join(line for scope in self._scopes for line in self._lines(scope)))

    def on_mount(self) -> None:
        """Let the keys scroll."""
        self.query_one("#help").focus()

    def action_close(self) -> None:
        """Back."""
        self.dismiss()

    def _lines(self, scope: str) -> list[Content]:
        head = [Content("")] if scope != self._scopes[0] else []
        head.append(Content.styled(SCOPES[scope], "bold $text-primary"))
        return head + [self._line(action) for action in of_scope(scope)]

    def _line(self, action: Action) -> Content:
        keys = " ".join(self.app.get_key_display(Binding(key, "")) for key in action.key.split(","))
        sign = ("! ", "bold $text-error") if action.danger else "  "
        meaning = f"\n{'':{ROOM + 3}}".join(wrapped(action.meaning, MEANING))
        return Content.assemble(sign, (f"{keys:<{ROOM}} ", "bold"), Content(meaning))


def scopes_of(screen: Screen[Any]) -> list[str]:
    """The scopes of the screen and of what is in it first, then those of all screens."""
    every = (binding for place in (screen, *screen.query("*")) for binding in place.BINDINGS)
    ids = [binding.id for binding in every if isinstance(binding, Binding) and binding.id]
    own = {id_.partition(".")[0] for id_ in ids}
    return [*(scope for scope in SCOPES if scope in own - {"app", "table"}), "table", "app"]
