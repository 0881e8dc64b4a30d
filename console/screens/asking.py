"""What the windows that ask share: their answers stay in sight, however small the terminal."""

from __future__ import annotations

from typing import TypeVar

from textual.containers import VerticalScroll
from textual.events import Resize

from console.screens.drawn import Window

T = TypeVar("T")
NARROW, LOW = 64, 20
"""Columns and rows below which a terminal may have no room for all of a window."""


class Box(VerticalScroll, can_focus=False):
    """All that a window holds: `#answers` stay at its foot, the rest scrolls over them."""


class Asking(Window[T]):
    """A window of one box. Its look is told in console.tcss."""

    AUTO_FOCUS = "Input, Select, OptionList, Button"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LOW, "-tall")]

    def on_resize(self, event: Resize) -> None:
        """In a small terminal the box takes the focus, so that keys scroll it, too."""
        self.query_one(Box).can_focus = event.size.width < NARROW or event.size.height < LOW
