"""Digits to click: a count can be named with a mouse alone, one digit after the other."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from console import plots

KEYS = "1234567890"
CELLS, NARROW = 4, 3
"""Cells of a key with the gap behind it, and those in a window too narrow for that."""


class Keypad(Static):
    """A row of digits and a key that takes the last one back. It never has the focus: keys are for typing."""

    DEFAULT_CSS = "Keypad { height: 1; width: 48; max-width: 100%; }"

    class Pressed(Message):
        """A digit was clicked; "" for taking one back."""

        def __init__(self, digit: str) -> None:
            super().__init__()
            self.digit = digit

    def render(self) -> Content:
        """Each key on a ground of its own."""
        keys = [*KEYS, plots.sign("back")]
        return Content(" ").join(Content.styled(key.center(self._cells - 1), "on $boost") for key in keys)

    @property
    def _cells(self) -> int:
        return CELLS if self.size.width >= CELLS * (len(KEYS) + 1) else NARROW

    def on_click(self, event: events.Click) -> None:
        """Tell which key it was; what lies between two keys is none."""
        place, rest = divmod(event.x, self._cells)
        if rest < self._cells - 1 and place <= len(KEYS):
            self.post_message(self.Pressed(KEYS[place : place + 1]))
