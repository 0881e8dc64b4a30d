"""The queue: it only wakes workers. What is to be sent stands in the ledger, so losing it loses nothing."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from huey import Huey, PostgresHuey, PriorityRedisHuey, SqliteHuey
from huey.serializer import SignedSerializer
from sqlalchemy.exc import ArgumentError

from store.errors import PassbellError, UsageError
from store.settings import Settings

log = logging.getLogger("passbell")


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
    if kind == "sqlite":
        path = sa.make_url(url).database
        if not path:
            raise UsageError("queue.url names no file: write sqlite:///path/to/queue.db")
        _make_file(Path(path))
        return SqliteHuey(name, filename=path, **options)
    try:
        if kind in ("redis", "rediss", "unix"):
            return PriorityRedisHuey(name, url=url, **options)
        if kind in ("postgresql", "postgres"):
            return PostgresHuey(name, dsn=url, **options)
    except (ImportError, ArgumentError) as error:
        raise PassbellError(f"the queue {_without_password(url)} cannot be used: {error}") from None
    except Exception as error:
        if type(error).__name__ != "ConfigurationError":
            raise PassbellError(f"the queue {_without_password(url)} cannot be reached: {error}") from error
        extra = "redis" if kind.startswith(("redis", "unix")) else "postgres"
        raise PassbellError(
            f"the queue {_without_password(url)} needs its driver: pip install 'passbell[{extra}]'"
        ) from None
    raise UsageError(f"queue.url starts with {kind}: sqlite, redis and postgresql are known")


def check_queue(queue: Huey, settings: Settings) -> None:
    """Raises PassbellError in one sentence where the queue cannot be reached."""
    try:
        queue.pending_count()
    except Exception as error:  # each kind of queue has its driver's own errors
        told = " ".join(str(error).split())
        raise PassbellError(
            f"the queue {_without_password(settings.queue_url)} cannot be reached: {told}"
        ) from error


def _without_password(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url.partition(":")[0]


def _make_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise PassbellError(f"the queue {path} cannot be opened: {error.strerror}") from None
