"""The undo window of a launch: how long it is still open, in large figures, and the button that stops it."""

from __future__ import annotations

import math

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Button, Digits, Static

from console.keymap import keyed
from store.ledger import Blast
from store.times import now

TICK_SECONDS = 0.25
"""So that no second is shown for two."""


class Undo(Horizontal):
    """Seen while no message may leave yet. It counts down by itself, whatever the store is doing."""

    DEFAULT_CSS = """
    Undo {
        display: none; height: 3; padding: 0 2;
        & > Digits { width: auto; color: $text-warning; }
        & > Static { width: auto; padding: 1 2; }
        & > Button { min-width: 20; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._blast: Blast | None = None
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """The seconds, what they are, and the button."""
        yield Digits("0")
        yield Static("seconds until the first message leaves", markup=False)
        yield Button(keyed("Stop it (<blast.cancel>)"), id="stop", variant="warning")

    def show(self, blast: Blast) -> None:
        """Count down for a blast whose window is open; be gone for any other."""
        self._blast = blast
        self._tick()
        if self.display and self._timer is None:
            self._timer = self.set_interval(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        left = self._blast.undo_left(now()) if self._blast is not None else 0.0
        self.display = left > 0
        if self.display:
            self.query_one(Digits).update(str(math.ceil(left)))
        elif self._timer is not None:
            self._timer.stop()
            self._timer = None

    @on(Button.Pressed, "#stop")
    async def _stop(self, event: Button.Pressed) -> None:
        event.stop()
        await self.app.run_action("screen.cancel", self.screen)
