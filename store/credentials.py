"""Credentials kept in the store: encrypted with the key of [keys], and useless without it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from store.database import upsert
from store.schema import credentials
from store.times import rfc3339


@dataclass(frozen=True, slots=True)
class Sealed:
    """One credential. What `sealed` holds, and how it is opened, knows jobs/passes/credentials.py."""

    name: str
    sealed: bytes = field(repr=False)
    subject: str
    expires_at: datetime | None
    at: datetime
    actor: str

    def as_json(self) -> dict[str, str | None]:
        """What may be shown of it."""
        return {
            "name": self.name,
            "subject": self.subject,
            "expires_at": rfc3339(self.expires_at),
            "at": rfc3339(self.at),
            "actor": self.actor,
        }


def put(connection: sa.Connection, found: Sealed) -> None:
    """Keep it; one of the same name is replaced."""
    row = {name: getattr(found, name) for name in credentials.c.keys()}  # noqa: SIM118
    statement = upsert(connection, credentials).values(**row)
    others = {name: statement.excluded[name] for name in row if name != "name"}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=others))


def get(connection: sa.Connection, name: str) -> Sealed | None:
    """The credential of that name, if there is one."""
    row = connection.execute(sa.select(credentials).where(credentials.c.name == name)).one_or_none()
    return None if row is None else Sealed(**row._mapping)


def listed(connection: sa.Connection) -> list[Sealed]:
    """All of them, by name."""
    return [Sealed(**row._mapping) for row in connection.execute(sa.select(credentials).order_by("name"))]


def remove(connection: sa.Connection, name: str) -> bool:
    """Forget it; whether it was there."""
    return bool(connection.execute(credentials.delete().where(credentials.c.name == name)).rowcount)
