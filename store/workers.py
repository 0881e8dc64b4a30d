"""Workers: who sends, and when their hearts last beat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from store.schema import workers
from store.times import now


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One worker process; `id` is host, process id and a nonce."""

    id: str
    account: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime


def sign_on(connection: sa.Connection, worker: WorkerRow) -> None:
    """A worker begins."""
    connection.execute(workers.insert().values({name: getattr(worker, name) for name in worker.__slots__}))


def beat(connection: sa.Connection, worker_id: str, *, at: datetime) -> None:
    """A worker is alive at this moment."""
    connection.execute(workers.update().where(workers.c.id == worker_id).values(seen_at=at))


def sign_off(connection: sa.Connection, worker_id: str) -> None:
    """A worker has ended, or is known to be dead."""
    connection.execute(workers.delete().where(workers.c.id == worker_id))


def alive(
    connection: sa.Connection, account: str, *, within: timedelta = timedelta(seconds=10)
) -> list[WorkerRow]:
    """An account's workers that were seen lately, the oldest first."""
    return _rows(connection, workers.c.account == account, workers.c.seen_at > now() - within)


def silent(connection: sa.Connection, account: str, host: str, *, since: datetime) -> list[WorkerRow]:
    """An account's workers of a host whose heart has not beaten since then."""
    return _rows(connection, workers.c.account == account, workers.c.host == host, workers.c.seen_at < since)


def _rows(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[WorkerRow]:
    query = sa.select(workers).where(*conditions).order_by(workers.c.started_at)
    return [WorkerRow(**row._mapping) for row in connection.execute(query)]
