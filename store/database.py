"""The database: engine, transactions, per-dialect set-up. Nothing else knows the dialect."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from store.errors import PassbellError, UsageError

BUSY_MILLISECONDS = 20_000
"""How long a writer waits for another one. Longer than the longest of ours: a big plan or import."""

_UNUSABLE = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.DatabaseError)
"""These classes and none below them: a bare DatabaseError is SQLite's word for a file that is no database."""


class Database:
    """One store. `read()` and `write()` each give a connection inside one short transaction.

    Never hold either across an `await`, a prompt or a screen: an open read keeps SQLite's log growing.
    """

    def __init__(self, url: str) -> None:
        """Take a `sqlite:///` or `postgresql://` URL. Opens nothing yet; raises UsageError on another URL."""
        self.url = _parse(url)
        self.dialect = self.url.get_backend_name()
        self._engine = self._make_engine()

    def __str__(self) -> str:
        # Without the query: Postgres takes a password there too.
        return self.url.set(query={}).render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads; it never waits for a writer on SQLite."""
        with self._translated(), self._engine.connect() as plain:
            connection = plain.execution_options(passbell_read=True)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that may write. It commits at the end of the block and rolls back on an exception."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """A database that cannot be reached or written is told in one sentence, without the password."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            if type(error) not in _UNUSABLE:
                raise
            reason = " ".join(str(error.orig).split())
            raise StoreUnavailable(f"the store {self} cannot be used: {reason}") from error

    def _make_engine(self) -> sa.Engine:
        if self.dialect == "postgresql":
            try:
                return sa.create_engine(self.url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
            except ModuleNotFoundError:
                raise UsageError(
                    f"the store {self} needs the Postgres driver: pip install 'passbell[postgres]'"
                ) from None
        if self.url.database and self.url.database != ":memory:":
            _make_file(Path(self.url.database))
        engine = sa.create_engine(self.url, connect_args={"timeout": BUSY_MILLISECONDS / 1_000})
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine


class StoreUnavailable(PassbellError):
    """The database is locked, full, read-only, gone or refuses us. What was under way did not happen."""


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that understands `on_conflict_do_update`, in the connection's own dialect."""
    module: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    return module.insert(table)


def lock(connection: sa.Connection, name: str) -> None:
    """Let one transaction at a time past this line. On SQLite a write transaction already is alone."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(crc32(name.encode()))))


def clock(connection: sa.Connection) -> float:
    """Seconds on a clock that all processes of this store share; only differences mean anything.

    On SQLite all of them are on one box, and its monotonic clock never jumps. On Postgres it is the
    server's.
    """
    if connection.dialect.name == "postgresql":
        return float(
            connection.execute(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))).scalar_one()
        )
    return time.monotonic()


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
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
    return parsed


def _make_file(path: Path) -> None:
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


def _set_up_sqlite(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_MILLISECONDS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    """Writers take the lock first: a deferred BEGIN that turns into a write fails under two writers."""
    options = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN" if options.get("passbell_read") else "BEGIN IMMEDIATE")
