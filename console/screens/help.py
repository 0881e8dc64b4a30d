"""Help: what can be done and by which key, found as one types, made from the table that the keys work by."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static

from console.actions import SCOPES, Acting, Action, at_hand, bindings, of_scope
from console.app import Console
from console.keymap import found, keyed
from console.plain import inert
from console.widgets.cells import wrapped

ROOM = 18
"""Cells of the keys' column."""
MEANING = 48
"""Cells that a meaning has beside its keys, where the terminal has 80."""
LEGEND = "! messages people, or is for good · <help.keys> your own keys · <help.close> close"
NOTHING = "Nothing is called so. Type a word such as pause, or a key such as ctrl+r."


class HelpScreen(Acting, ModalScreen[None]):
    """What can be done on the screen it was asked from, then what can be done on the others."""

    BINDINGS = bindings("help")
    CSS = """
    HelpScreen {
        & > #help {
            width: 78; max-width: 96%; height: 94%;
            padding: 0 2; background: $surface; border: round $primary; border-subtitle-color: $quiet;
        }
        & #search { margin: 0 0 1 0; padding: 0 1; background: $boost; }
        & #lines { height: 1fr; scrollbar-size-vertical: 1; }
    }
    """
    app = getters.app(Console)

    def __init__(self, over: Screen[Any]) -> None:
        super().__init__()
        self._here = at_hand(over)
        self._why = {
            action.id: owner.why_not(action.verb)
            for scope, owner in self._here.items()
            for action in of_scope(scope)
        }

    def compose(self) -> ComposeResult:
        """What to look for, and one list a scope."""
        with Vertical(id="help") as box:
            box.border_title = "Help"
            box.border_subtitle = keyed(LEGEND)
            yield Input(id="search", compact=True, placeholder="type a word, or a key such as ctrl+r")
            with VerticalScroll(id="lines", can_focus=False):
                yield Static(self._text(""))

    @on(Input.Changed)
    def _searched(self, event: Input.Changed) -> None:
        self.query_one(Static).update(self._text(event.value))
        self.query_one("#lines").scroll_home(animate=False)

    def on_screen_resume(self) -> None:
        """Keys may have been changed meanwhile."""
        self.query_one(Static).update(self._text(self.query_one(Input).value))

    def action_close(self) -> None:
        """Back; what was looked for is cleared first."""
        if self.query_one(Input).value:
            self.query_one(Input).clear()
        else:
            self.dismiss()

    def action_keys(self) -> None:
        """Keys of one's own."""
        self.app.action_keys()

    def action_up(self) -> None:
        """A line up."""
        self.query_one("#lines").scroll_up(animate=False)

    def action_down(self) -> None:
        """A line down."""
        self.query_one("#lines").scroll_down(animate=False)

    def action_page_up(self) -> None:
        """A page up."""
        self.query_one("#lines").scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        """A page down."""
        self.query_one("#lines").scroll_page_down(animate=False)

    def _text(self, query: str) -> Content:
        actions = found(query, self.app.keymap)
        if not actions:
            return Content.styled(NOTHING, "$text-warning")
        lines: list[Content] = []
        for scope in (*self._here, *(scope for scope in SCOPES if scope not in self._here)):
            if listed := [action for action in actions if action.scope == scope]:
                lines += [Content("")] if lines else []
                lines.append(self._heading(scope))
                lines += map(self._line, listed)
        return Content("\n").join(lines)

    def _heading(self, scope: str) -> Content:
        if scope in self._here:
            return Content.styled(SCOPES[scope].heading, "bold $text-primary")
        return Content.assemble((SCOPES[scope].heading, "bold $quiet"), ("  not on this screen", "$quiet"))

    def _line(self, action: Action) -> Content:
        keys = keys_of(self.app, action)
        sign = ("! ", "bold $text-error") if action.danger else "  "
        needs = "" if action.role == "viewer" else f" · {action.role}"
        why = self._why.get(action.id, "")
        lead = Content.assemble(sign, (f"{keys:<{ROOM}} ", "$quiet" if why else "bold"))
        meaning = [Content(_indented(action.meaning + needs))]
        if why:
            told = _indented(f"Not now: {inert(why)}")
            meaning.append(Content.styled(f"{'':{ROOM + 3}}{told}", "italic $text-warning"))
        return lead + Content("\n").join(meaning)


def keys_of(app: Console, action: Action) -> str:
    """An action's keys as they are shown, the user's own where there are any."""
    return " ".join(app.get_key_display(Binding(key, "")) for key in app.keymap.of(action))


@lru_cache(500)
def _indented(told: str) -> str:
    return f"\n{'':{ROOM + 3}}".join(wrapped(told, MEANING))
