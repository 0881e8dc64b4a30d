"""From a URL to a connection: what each says, what a connection is told first, the file behind SQLite's."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from store.errors import PassbellError, Refused, UsageError

BUSY_SECONDS = 20.0
"""How long a writer waits for another one. Longer than the longest of ours: a big plan or import.

SQLite only; `?timeout=60` at the end of the store's URL says otherwise.
"""
LOST_SECONDS = 60
"""After so long Postgres counts a client as lost, and a client counts Postgres as lost.

A machine that loses its network in mid-transaction holds locks that all others wait for, and by its own
defaults Postgres keeps them for two hours.
"""


def parse(url: str) -> sa.URL:
    """The URL of a store. Raises UsageError for any that cannot be one, without what it holds of secrets."""
    try:
        parsed = sa.make_url(url)
        if "\0" in url or (parsed.get_backend_name() == "sqlite" and parsed.host):
            raise ValueError
    except (ArgumentError, ValueError):
        raise UsageError(
            "store.url is not a URL: write sqlite:///path/to/file.db or postgresql://host/name"
        ) from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise UsageError(f"store.url starts with {parsed.drivername}: only sqlite and postgresql are known")
    try:
        parsed.get_dialect()
    except NoSuchModuleError:
        raise UsageError(f"store.url: there is no driver {parsed.drivername}") from None
    if parsed.get_backend_name() == "sqlite" and (unknown := sorted(set(parsed.query) - {"timeout"})):
        raise UsageError(
            f"store.url: {unknown[0][:40]} is no option of SQLite's: only ?timeout=SECONDS may stand there"
        )
    return parsed


def busy_seconds(url: sa.URL) -> float:
    """How long a writer waits for another one. Raises UsageError where the URL says no number."""
    if url.get_backend_name() != "sqlite" or "timeout" not in url.query:
        return BUSY_SECONDS
    try:
        seconds = float(str(url.query["timeout"]))
        if math.isnan(seconds):
            raise ValueError
        return min(max(seconds, 0.0), 3_600.0)
    except ValueError:
        raise UsageError("store.url: timeout is a number of seconds, such as timeout=60") from None


def make_file(path: Path) -> None:
    """Create the file 0600 before SQLite does; its log files take over the mode.

    A file that is there is left as it is: it may be somebody else's.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if path.is_dir():
            raise PassbellError(f"the store {path} cannot be opened: it is a folder") from None
    except OSError as error:
        raise PassbellError(f"the store {path} cannot be opened: {error.strerror}") from None


def find_file(path: Path) -> None:
    """Raise Refused where the file is missing: a viewer makes none."""
    if not path.exists():
        raise Refused(f"there is no store {path} yet, and this is read-only: `passbell init` makes it")


def set_up_postgres(dbapi_connection: Any, _record: Any) -> None:
    """Neither side waits for the other longer than LOST_SECONDS, where a network between them is cut."""
    with dbapi_connection.cursor() as cursor:
        for name, value in {
            "idle_in_transaction_session_timeout": LOST_SECONDS * 1_000,
            "tcp_keepalives_idle": LOST_SECONDS // 3,
            "tcp_keepalives_interval": LOST_SECONDS // 6,
            "tcp_keepalives_count": 4,
            "tcp_user_timeout": LOST_SECONDS * 1_000,
        }.items():
            cursor.execute(f"SET {name} = {value}")
    dbapi_connection.commit()


def set_up_sqlite(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None  # its busy timeout is the connection's `timeout`
    cursor = dbapi_connection.cursor()
    _turn_to_wal(cursor)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def only_read_postgres(dbapi_connection: Any, _record: Any) -> None:
    """A viewer's second lock, under `write()`: no statement changes anything."""
    with dbapi_connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    dbapi_connection.commit()


def only_read_sqlite(dbapi_connection: Any, _record: Any) -> None:
    """The same in SQLite. The file is left in the mode it has."""
    dbapi_connection.isolation_level = None
    dbapi_connection.execute("PRAGMA query_only = ON")


def _turn_to_wal(cursor: Any) -> None:
    """SQLite's own waiting does not cover this: of two that open a new file, one is refused at once."""
    waited_since = time.monotonic()
    (timeout_milliseconds,) = cursor.execute("PRAGMA busy_timeout").fetchone()
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            late = time.monotonic() - waited_since > timeout_milliseconds / 1_000
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or late:
                raise
            time.sleep(0.01)


def begin_sqlite(connection: sa.Connection) -> None:
    """Writers take the lock first: a deferred BEGIN that turns into a write fails under two writers."""
    options = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN" if options.get("passbell_read") else "BEGIN IMMEDIATE")
