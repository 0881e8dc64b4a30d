"""What a person's hands reach, on a screen or in a command: settings, store, who acts, and the bell.

SQLAlchemy is loaded with the store, not before: it takes as long as the console's first picture.
"""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.blasts import Ring
    from store.database import Database
    from store.settings import Settings


@dataclass
class Desk:
    """One person at one console. The store is opened and brought up to date at first use."""

    settings: Settings

    @cached_property
    def database(self) -> Database:
        """The store, migrated. Raises PassbellError where it cannot be opened."""
        from store import migrations
        from store.database import Database

        database = Database(self.settings.store_url)
        migrations.migrate(database)
        return database

    @cached_property
    def ring(self) -> Ring:
        """Wakes a worker for a blast."""
        from jobs.tasks import ring_from

        return ring_from(self.settings)

    @property
    def actor(self) -> str:
        """Who acts, for the audit: the login name and the host."""
        try:
            user = os.environ.get("SUDO_USER") or getpass.getuser()
        except (KeyError, OSError):
            user = str(os.getuid())
        return f"{user}@{socket.gethostname()}"
