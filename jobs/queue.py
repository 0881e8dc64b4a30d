"""The queue: it only wakes workers. What is to be sent stands in the ledger, so losing it loses nothing."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from huey import Huey, PostgresHuey, PriorityRedisHuey, SqliteHuey
from huey.exceptions import ConfigurationError
from huey.serializer import SignedSerializer
from sqlalchemy.exc import ArgumentError

from store.errors import PassbellError, UsageError
from store.settings import Settings

log = logging.getLogger("passbell")

PATIENCE = 5.0
"""Seconds that a queue may take to answer: a command that rings the bell waits no longer than this."""


def open_queue(settings: Settings) -> Huey:
    """The Huey instance that `queue.url` names; messages are signed and no results are kept.

    An unsigned or wrongly signed message is refused before it is unpickled. Raises UsageError for a URL
    of another kind, PassbellError where the driver is missing.
    """
    url = settings.queue_url
    kind = url.partition(":")[0].partition("+")[0]
    options: dict[str, Any] = {
        "results": False,
        "serializer": SignedSerializer(secret=settings.queue_secret(), salt="passbell"),
    }
    name = f"passbell-{settings.account}"
    told = without_password(url)
    try:
        if kind == "sqlite":
            path = sa.make_url(url).database
            if not path:
                raise UsageError("queue.url names no file: write sqlite:///path/to/queue.db")
            _make_file(Path(path))
            return SqliteHuey(name, filename=path, timeout=PATIENCE, **options)
        if kind in ("redis", "rediss", "unix"):
            return PriorityRedisHuey(name, connection_pool=_redis_pool(url), **options)
        if kind in ("postgresql", "postgres"):
            return PostgresHuey(name, dsn=_with_patience(url), **options)
    except PassbellError:
        raise
    except (ImportError, ConfigurationError) as error:
        extra = "redis" if kind.startswith(("redis", "unix")) else "postgres"
        raise PassbellError(f"the queue {told} needs its driver: pip install 'passbell[{extra}]'") from error
    except Exception as error:  # each kind of queue has its driver's own errors
        raise PassbellError(f"the queue {told} cannot be used: {_in_one_line(error)}") from error
    raise UsageError(f"queue.url starts with {kind}: sqlite, redis and postgresql are known")


def check_queue(queue: Huey, settings: Settings) -> None:
    """Raises PassbellError in one sentence where the queue cannot be reached."""
    try:
        queue.pending_count()
    except Exception as error:  # each kind of queue has its driver's own errors
        told = without_password(settings.queue_url)
        raise PassbellError(f"the queue {told} cannot be reached: {_in_one_line(error)}") from error


def _redis_pool(url: str) -> Any:
    """Connections that wait PATIENCE at most, where the URL does not say otherwise.

    By itself redis-py may wait for ever, and a worker that waits so cannot be stopped in order.
    """
    from redis import ConnectionPool

    return ConnectionPool.from_url(url, socket_timeout=PATIENCE)


def _with_patience(url: str) -> str:
    """The same for Postgres: options of its driver, which those in the URL overrule."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    scheme, _, rest = url.partition("://")
    try:
        given = conninfo_to_dict(f"{scheme.partition('+')[0]}://{rest}")
    except ProgrammingError:  # its words quote what it choked on, which may be the password
        raise UsageError(
            "queue.url is no URL of Postgres: write postgresql://user:password@host/name"
        ) from None
    patience = {"connect_timeout": int(PATIENCE), "tcp_user_timeout": int(PATIENCE * 1_000)}
    return make_conninfo("", **patience | given)


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def without_password(url: str) -> str:
    """A queue's URL as people may read it, and without its query: Postgres takes a password there too."""
    try:
        return sa.make_url(url).set(query={}).render_as_string(hide_password=True)
    except ArgumentError:
        return url.partition(":")[0]


def _make_file(path: Path) -> None:
    """Create the file 0600 before SQLite does. One that is there is not even opened.

    A process that closes a file gives up all its locks on it, those of an open SQLite connection too.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise PassbellError(f"the queue {path} cannot be opened: {error.strerror}") from None
