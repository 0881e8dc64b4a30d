"""The audit: append-only, each entry chained to the one before it by its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.database import lock
from store.schema import audit
from store.times import now, rfc3339

GENESIS = "0" * 64
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to what, and when."""

    id: int
    at: datetime
    actor: str
    act: str
    subject: str
    details: dict[str, Any]
    previous_hash: str
    hash: str

    def as_json(self) -> dict[str, Any]:
        """The entry as the commands print it."""
        return {
            "id": self.id,
            "at": rfc3339(self.at),
            "actor": self.actor,
            "act": self.act,
            "subject": self.subject,
            "details": self.details,
            "previous_hash": self.previous_hash,
            "hash": self.hash,
        }


def append(
    connection: sa.Connection,
    *,
    actor: str,
    act: str,
    subject: str,
    details: Mapping[str, Any],
    at: datetime | None = None,
) -> None:
    """Write an entry in the transaction of the act itself, so that neither is there without the other."""
    lock(connection, "audit")
    last = connection.execute(sa.select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)).scalar()
    at = at or now()
    values = {
        "at": at,
        "actor": actor,
        "act": act,
        "subject": str(subject),
        "details": json.loads(json.dumps(details)),
        "previous_hash": last or GENESIS,
    }
    connection.execute(audit.insert().values(**values, hash=_hash(**values)))


def page(
    connection: sa.Connection, *, before: int | None = None, offset: int = 0, limit: int = 100
) -> list[Entry]:
    """The newest entries first, those with an id below `before`; `offset` of them are left out."""
    query = sa.select(audit).order_by(audit.c.id.desc()).offset(offset).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    return [Entry(**row._mapping) for row in connection.execute(query)]


def count(connection: sa.Connection) -> int:
    """How many entries there are."""
    return connection.execute(sa.select(sa.func.count()).select_from(audit)).scalar_one()


def entries(connection: sa.Connection) -> Iterator[Entry]:
    """All entries, the oldest first."""
    last = 0
    query = sa.select(audit).order_by(audit.c.id).limit(PAGE)
    while rows := connection.execute(query.where(audit.c.id > last)).all():
        for row in rows:
            yield Entry(**row._mapping)
        last = rows[-1].id


def verify(connection: sa.Connection) -> tuple[int, str | None]:
    """How many entries hold together, and in words where the chain breaks (None: nowhere).

    A chain proves that nothing in its middle was changed or taken out; entries cut off its end
    leave no trace here, so keep an exported copy or the last hash elsewhere.
    """
    previous = GENESIS
    count = 0
    for entry in entries(connection):
        if entry.previous_hash != previous:
            return count, f"entry {entry.id} does not follow the one before it"
        fields = {k: getattr(entry, k) for k in ("at", "actor", "act", "subject", "details", "previous_hash")}
        if _hash(**fields) != entry.hash:
            return count, f"entry {entry.id} was changed after it was written"
        previous = entry.hash
        count += 1
    return count, None


def _hash(
    *, at: datetime, actor: str, act: str, subject: str, details: dict[str, Any], previous_hash: str
) -> str:
    content = json.dumps([rfc3339(at), actor, act, subject, details, previous_hash], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
