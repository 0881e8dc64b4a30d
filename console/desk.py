"""What a person's hands reach, on a screen or in a command: settings, store, who acts, and the bell.

Settings and store are loaded at first use, since reading them takes longer than the console's first
picture.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from jobs.names import host_name

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.blasts import Ring
    from store.database import Database
    from store.settings import Settings


@dataclass
class Desk:
    """One person at one console. `load` reads the settings; it raises UsageError where one is wrong."""

    load: Callable[[], Settings]

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once."""
        return self.load()

    @property
    def opened(self) -> bool:
        """Whether the settings were read, so that LIVE or REHEARSAL can be said."""
        return "settings" in self.__dict__

    @cached_property
    def database(self) -> Database:
        """The store, migrated. Raises PassbellError where it cannot be opened."""
        from store import migrations
        from store.database import Database

        database = Database(self.settings.store_url, self.settings.role)
        try:
            migrations.migrate(database)
        except BaseException:
            database.close()
            raise
        return database

    @cached_property
    def ring(self) -> Ring:
        """Wakes a worker for a blast."""
        from jobs.tasks import ring_from

        return ring_from(self.settings)

    @property
    def memory_file(self) -> Path:
        """Where the console keeps what it remembers of whoever sits here."""
        return self.settings.home / "console" / f"{quote(self.login, safe='')}.json"

    @property
    def login(self) -> str:
        """Who sits here: the login name, as a text whatever its bytes are."""
        try:
            name = os.environ.get("SUDO_USER") or getpass.getuser()
            return os.fsencode(name).decode(errors="backslashreplace")
        except (KeyError, OSError):
            return str(os.getuid())

    @property
    def actor(self) -> str:
        """Who acts, for the audit: the login name and the host."""
        return f"{self.login}@{host_name()}"
