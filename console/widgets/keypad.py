"""Digits to click: a count can be named with a mouse alone, one digit after the other."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from console import plots

KEYS = "1234567890"
CELLS = 4
"""Cells of a key."""


class Keypad(Static):
    """A row of digits and a key that takes the last one back. It never has the focus: keys are for typing."""

    DEFAULT_CSS = "Keypad { height: 1; width: 48; }"

    class Pressed(Message):
        """A digit was clicked; "" for taking one back."""

        def __init__(self, digit: str) -> None:
            super().__init__()
            self.digit = digit

    def render(self) -> Content:
        """Each key on a ground of its own."""
        keys = [*KEYS, plots.sign("back")]
        return Content(" ").join(Content.styled(f" {key} ", "on $boost") for key in keys)

    def on_click(self, event: events.Click) -> None:
        """Tell which key it was; what lies between two keys is none."""
        place, rest = divmod(event.x, CELLS)
        if rest < CELLS - 1 and place <= len(KEYS):
            self.post_message(self.Pressed(KEYS[place : place + 1]))
