"""The first picture: the shell of the console, while settings and store are being opened behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from textual import work
from textual.widget import Widget
from textual.widgets import Static

from console.keymap import judged
from console.screens.base import ConsoleScreen
from console.widgets.masthead import Masthead
from store.errors import PassbellError


class OpeningScreen(ConsoleScreen):
    """Seen for a moment. It leads to the first screen, or out of the console with what is wrong."""

    DEFAULT_CSS = """
    OpeningScreen > #opening { width: 1fr; height: 1fr; content-align: center middle; color: $quiet; }
    """

    def body(self) -> Iterable[Widget]:
        """One line."""
        yield Static("opening the store", id="opening", markup=False)

    def on_mount(self) -> None:
        """Open, once this picture is on the terminal."""
        self.call_after_refresh(self._open)

    @work(exit_on_error=False)
    async def _open(self) -> None:
        desk = self.app.desk
        try:
            await asyncio.to_thread(lambda: desk.settings and self.app.memory)
            self.app.keymap = judged(desk.settings.console.keys)
        except PassbellError as error:
            self.app.end_with(error)
        else:
            self.query_one(Masthead).refresh()  # it can say LIVE or REHEARSAL by now
            self.call_after_refresh(self.app.begin)
