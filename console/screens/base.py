"""What the screens share: the masthead over them, the footer under them, and a look at the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.app import ComposeResult
from textual.events import ScreenResume
from textual.widget import Widget

from console import places
from console.screens.drawn import Drawn
from console.widgets.footer import Footer
from console.widgets.masthead import Masthead


class ConsoleScreen(Drawn[Any]):
    """A screen of the console. `body` gives its widgets, `look_again` re-reads what may have changed."""

    mode = ""
    """The mode whose tab is marked in the masthead."""
    look_seconds: float | None = None
    """How often to look again while the screen is seen; it also does when it comes back into view."""

    _begun = False

    def compose(self) -> ComposeResult:
        """Masthead, body, footer."""
        yield Masthead(self.mode)
        yield from self.body()
        yield Footer()

    def body(self) -> Iterable[Widget]:
        """The widgets between masthead and footer."""
        return ()

    def on_mount(self) -> None:
        """Begin to look, if this screen does so by itself."""
        if self.look_seconds is not None:
            self.set_interval(self.look_seconds, self._look_if_seen)

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Look again on coming back, and remember to have been here."""
        if not self.is_current:  # it is opened ahead of its key
            return
        places.keep(self.app)
        if not self._begun:
            self._begun = True
            self.begin()
        self.look_again()

    def place(self) -> dict[str, Any]:
        """What the next sitting needs to begin here, as JSON: see console/places.py."""
        return {"mode": self.mode}

    def begin(self) -> None:
        """Ask for what is shown, once: it may be opened long before it is seen."""

    def look_again(self) -> None:
        """Re-read what may have changed. Called on the UI's thread: start a worker, never wait."""

    def _look_if_seen(self) -> None:
        if self.is_current:
            self.look_again()
