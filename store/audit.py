"""The audit: append-only, each entry chained to the one before it by its hash."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store import roles, views
from store.database import lock, role_of
from store.filters import Column
from store.schema import audit
from store.times import now, rfc3339
from store.views import Held, View

COLUMNS = {
    "id": Column("number", audit.c.id),
    "at": Column("moment", audit.c.at),
    **{key: Column("text", audit.c[key]) for key in ("actor", "act", "subject")},
    "details": Column("text", sa.cast(audit.c.details, sa.Text)),
}
"""The columns of a list of entries."""
SEARCHED = ("actor", "act", "subject", "details")
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
    """Write an entry in the transaction of the act itself, so that neither is there without the other.

    Raises Refused where the act takes a higher role than that of whoever opened the store.
    """
    roles.check(role_of(connection), act)
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
    connection: sa.Connection,
    *,
    before: int | None = None,
    offset: int = 0,
    limit: int = 100,
    view: View = View(),  # noqa: B008 (it never changes)
    held: Held | None = None,
) -> list[Entry]:
    """The newest entries first, those with an id below `before`; `offset` of them are left out."""
    query = _ids(connection, view)
    if before is not None:
        query = query.where(audit.c.id < before)
    return by_ids(connection, views.window(connection, query, offset, limit, held))


def count(connection: sa.Connection, *, view: View = View(), held: Held | None = None) -> int:  # noqa: B008
    """How many entries there are."""
    wanted = views.conditions(connection, COLUMNS, view, SEARCHED)
    return views.total(connection, sa.select(sa.func.count()).select_from(audit).where(*wanted), held)


def ids(connection: sa.Connection, view: View = View()) -> array[int]:  # noqa: B008
    """The ids of all entries that `page` would give, in its order."""
    return views.every_id(connection, _ids(connection, view))


def by_ids(connection: sa.Connection, found: Sequence[int]) -> list[Entry]:
    """These entries, in the order of the ids."""
    rows = views.in_order(connection, sa.select(audit), audit.c.id, found)
    return [Entry(**row._mapping) for row in rows]


def _ids(connection: sa.Connection, view: View) -> sa.Select[int]:
    query = sa.select(audit.c.id).where(*views.conditions(connection, COLUMNS, view, SEARCHED))
    return query.order_by(*views.ordering(COLUMNS, view, [audit.c.id.desc()], audit.c.id))


def of_subject(connection: sa.Connection, subject: str, acts: str, *, limit: int) -> list[Entry]:
    """The newest entries about a subject whose act begins so (`blast.`), the oldest of them first."""
    mine = (audit.c.subject == subject, audit.c.act.startswith(acts, autoescape=True))
    query = sa.select(audit).where(*mine).order_by(audit.c.id.desc()).limit(limit)
    return [Entry(**row._mapping) for row in reversed(connection.execute(query).all())]


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
