"""Messages from outside that were taken in, so that each counts once however often it is sent."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from store.database import upsert
from store.schema import heard

SWEPT = 200
"""Old ones forgotten with each new one, at most: nobody waits for a big sweep, and none piles up."""


def take(connection: sa.Connection, source: str, nonce: str, *, until: datetime, at: datetime) -> bool:
    """Note a message; False where it was noted before: a replay.

    It is forgotten after `until`, from when on the caller refuses it for its age. Two that take the same one
    at once wait for each other on Postgres: where the first rolls back, the second has it.
    """
    _sweep(connection, at)
    row = {"source": source, "nonce": nonce, "until": until}
    statement = upsert(connection, heard).values(**row).on_conflict_do_nothing()
    return connection.execute(statement.returning(heard.c.nonce)).first() is not None


def _sweep(connection: sa.Connection, at: datetime) -> None:
    """Forget some that are too old. What another transaction is forgetting is left to it."""
    old = sa.select(heard.c.source, heard.c.nonce).where(heard.c.until < at).limit(SWEPT)
    if connection.dialect.name == "postgresql":
        old = old.with_for_update(skip_locked=True)
    connection.execute(heard.delete().where(sa.tuple_(heard.c.source, heard.c.nonce).in_(old)))
