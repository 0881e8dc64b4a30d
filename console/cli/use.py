"""What one call of `passbell` works with."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from store.errors import UsageError

if TYPE_CHECKING:
    from console.desk import Desk
    from store.settings import Settings


class Use:
    """The options before the command, and what they lead to. Settings are read once, at first need."""

    def __init__(self) -> None:
        self.home: Path | None = None
        self.flags: dict[str, str] = {}
        self.json = False

    @cached_property
    def desk(self) -> Desk:
        """Settings, store and who acts; each is read at first use, which raises where it is wrong."""
        from console.desk import Desk

        return Desk(self._load)

    def _load(self) -> Settings:
        from store.settings import load

        return load(self.home, self.flags)

    def open_console(self, blast: int | None = None) -> None:
        """Show the screens, first a blast if one is named. Raises UsageError without a terminal."""
        require_terminal()
        self.show_console(blast)

    def show_console(self, blast: int | None) -> None:
        """Show the screens on whatever draws here, which Textual's own variables say."""
        from console.app import run

        run(self.desk, blast)

    def close(self) -> None:
        """Give the store's connections back, if it was opened."""
        if "desk" in self.__dict__ and "database" in self.desk.__dict__:
            self.desk.database.close()


def require_terminal() -> None:
    """Raises UsageError where the console could not be shown: it is drawn on stderr."""
    if not all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__)):
        raise UsageError("the console needs a terminal: see `passbell --help` for the commands")
