"""Jump mode: a letter over all that can have the focus and over each tab; pressing it goes there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, product
from string import ascii_lowercase
from typing import Any

from textual.app import ComposeResult
from textual.events import Click, Key
from textual.geometry import Offset
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Label

from console.actions import bindings
from console.app import Console
from console.keymap import keyed
from console.screens.drawn import Window
from console.widgets.masthead import Masthead

LETTERS = "asdfghjklqwertyuiopzxcvbnm"
"""Those under the fingers first."""


class JumpScreen(Window[None]):
    """Drawn over the screen, which shows through."""

    BINDINGS = bindings("jump")
    CSS = """
    JumpScreen {
        background: transparent;
        & > Label {
            position: absolute; width: auto; height: 1;
            background: $warning; color: $text; text-style: bold;
        }
        & > Label:nocolor { text-style: bold reverse; }
        & > .hint { dock: bottom; width: 100%; background: $panel; color: $foreground; text-style: none; }
    }
    """

    def __init__(self, over: Screen[Any]) -> None:
        super().__init__()
        places = list(_places(over, self.app))
        few = len(places) <= len(LETTERS)
        labels = LETTERS if few else ["".join(two) for two in product(LETTERS, repeat=2)]
        self._places = dict(zip(labels, places, strict=False))
        self._typed = ""

    def compose(self) -> ComposeResult:
        """The letters, each where it leads."""
        for letters, (at, _) in self._places.items():
            label = Label(f" {letters} ", id=f"to-{letters}", markup=False)
            label.styles.offset = at
            yield label
        yield Label(keyed(" Press a letter to go there, <jump.cancel> to stay"), classes="hint", markup=False)

    def on_key(self, event: Key) -> None:
        """Go where the letter leads. Any other letter leads nowhere."""
        if len(event.key) == 1 and event.key in ascii_lowercase:
            event.stop()
            self._go(self._typed + event.key)

    def on_click(self, event: Click) -> None:
        """A click on a letter is as good; one beside them stays."""
        self._go((event.widget.id or "").removeprefix("to-") if event.widget is not None else "")

    def _go(self, letters: str) -> None:
        if letters in self._places:
            self.dismiss()
            self.app.call_later(self._places[letters][1])
        elif any(label.startswith(letters) for label in self._places) and letters:
            self._typed = letters
        else:
            self.dismiss()

    def action_cancel(self) -> None:
        """Stay."""
        self.dismiss()


Place = tuple[Offset, Callable[[], Any]]


def _places(screen: Screen[Any], app: Console) -> Iterator[Place]:
    """Where one can go on a screen as it is seen, in reading order."""
    fields = ((widget.region.offset, widget) for widget in screen.focus_chain if _is_seen(widget))
    ordered = sorted(fields, key=lambda place: (place[0].y, place[0].x))
    return chain(_tabs(screen, app), ((at, partial(_focus, widget)) for at, widget in ordered))


def _is_seen(widget: Widget) -> bool:
    return bool(widget.region.overlaps(widget.screen.region)) and bool(widget.region)


def _focus(widget: Widget) -> None:
    widget.focus()


def _tabs(screen: Screen[Any], app: Console) -> Iterator[Place]:
    """The masthead's tabs, where they were drawn."""
    for masthead in screen.query(Masthead):
        x, seen = masthead.region.x, set()
        for segment in masthead.render_line(1):
            tab = segment.style.meta.get("tab") if segment.style is not None else None
            if tab and tab not in seen:
                seen.add(tab)
                yield Offset(x, masthead.region.y + 1), partial(app.run_action, f"app.{tab}")
            x += segment.cell_length
