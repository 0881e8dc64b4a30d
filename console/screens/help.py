"""Help: what can be done and by which key, found as one types, made from the table that the keys work by."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.events import ScreenResume
from textual.screen import Screen
from textual.widgets import Input

from console.actions import SCOPES, Action, at_hand, bindings, of_scope
from console.app import Console
from console.keymap import found, keyed
from console.plain import inert
from console.screens.drawn import Window
from console.widgets.cells import wrapped
from console.widgets.lines import Line, Lines

ROOM = 18
"""Cells of the keys' column."""
MEANING = 48
"""Cells that a meaning has beside its keys, where the terminal has 80."""
INDENT = " " * (ROOM + 3)
LEGEND = "! messages people, or is for good · <help.keys> your own keys · <help.close> close"
NOTHING = "Nothing is called so. Type a word such as pause, or a key such as ctrl+r."


class HelpScreen(Window[None]):
    """What can be done on the screen it was asked from, then what can be done on the others."""

    BINDINGS = bindings("help")
    CSS = """
    HelpScreen {
        & > #help {
            width: 78; max-width: 96%; height: 94%;
            padding: 0 2; background: $surface; border: round $primary; border-subtitle-color: $quiet;
        }
        & #search { margin: 0 0 1 0; padding: 0 1; background: $boost; }
    }
    """

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
            yield Lines(id="lines")

    @on(Input.Changed)
    def _searched(self, event: Input.Changed) -> None:
        self._list()
        self.query_one(Lines).scroll_home(animate=False)

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Keys may have been changed meanwhile."""
        self._list()

    def _list(self) -> None:
        self.query_one(Lines).show(list(self._lines(self.query_one(Input).value)))

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
        self.query_one(Lines).scroll_up(animate=False)

    def action_down(self) -> None:
        """A line down."""
        self.query_one(Lines).scroll_down(animate=False)

    def action_page_up(self) -> None:
        """A page up."""
        self.query_one(Lines).scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        """A page down."""
        self.query_one(Lines).scroll_page_down(animate=False)

    def _lines(self, query: str) -> Iterator[Line]:
        actions = found(query, self.app.keymap)
        if not actions:
            for told in _broken(NOTHING, self.query_one(Lines).size.width):
                yield partial(Content.styled, told, "$text-warning")
        listed: dict[str, list[Action]] = {}
        for action in actions:
            listed.setdefault(action.scope, []).append(action)
        first = True
        for scope in sorted(listed, key=[*self._here, *SCOPES].index):
            if not first:
                yield Content
            first = False
            yield partial(self._heading, scope)
            for action in listed[scope]:
                yield from self._told(action)

    def _heading(self, scope: str) -> Content:
        if scope in self._here:
            return Content.styled(SCOPES[scope].heading, "bold $text-primary")
        return Content.assemble((SCOPES[scope].heading, "bold $quiet"), ("  not on this screen", "$quiet"))

    def _told(self, action: Action) -> Iterator[Line]:
        """An action's lines: its keys and meaning, who may, and what stands in its way."""
        why = self._why.get(action.id, "")
        needs = "" if action.role == "viewer" else f" · {action.role}"
        first, *rest = _broken(action.meaning + needs)
        yield partial(self._first, action, first, "$quiet" if why else "bold")
        for told in rest:
            yield partial(Content, f"{INDENT}{told}")
        for told in _broken(f"Not now: {inert(why)}") if why else ():
            yield partial(Content.styled, f"{INDENT}{told}", "italic $text-warning")

    def _first(self, action: Action, told: str, style: str) -> Content:
        sign = ("! ", "bold $text-error") if action.danger else "  "
        return Content.assemble(sign, (f"{keys_of(self.app, action):<{ROOM}} ", style), told)


def keys_of(app: Console, action: Action) -> str:
    """An action's keys as they are shown, the user's own where there are any."""
    return " ".join(app.get_key_display(Binding(key, "")) for key in app.keymap.of(action))


@lru_cache(500)
def _broken(told: str, width: int = MEANING) -> tuple[str, ...]:
    return tuple(wrapped(told, width))
