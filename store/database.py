"""The database: engine, transactions, per-dialect set-up. Nothing else knows the dialect."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from store import connecting, roles
from store.connecting import LOST_SECONDS
from store.errors import PassbellError, Refused, UsageError
from store.roles import Role
from store.times import Moment

log = logging.getLogger("passbell")

Statement = TypeVar("Statement")

WELL_SECONDS = 2.0
"""A store that could not be written is well again when it has been so for this long."""

_UNUSABLE = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError, sa.exc.DatabaseError)
"""These classes and none below them: a bare DatabaseError is SQLite's word for a file that is no database,
an InternalError Postgres's for a server that only reads or a transaction that it gave up."""
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": LOST_SECONDS // 3,
    "keepalives_interval": LOST_SECONDS // 6,
    "keepalives_count": 4,
    "tcp_user_timeout": LOST_SECONDS * 1_000,
}
"""How long a client waits for Postgres, in seconds and, the last one, milliseconds."""
_FORBIDDEN = "42501"
"""Postgres's code for a role that may not do this."""
_RIGHTS = sa.text(
    "SELECT current_setting('transaction_read_only')::boolean,"
    " coalesce(has_table_privilege(to_regclass('audit'), 'INSERT'), true)"
)
"""Whether this server only reads, and whether we may note in the audit, which tells of all that is changed;
we may where there is none yet."""
ROLE = "passbell_role"
"""The option of a connection that says who acts."""


class Database:
    """One store. `read()` and `write()` each give a connection inside one short transaction.

    Never hold either across an `await`, a prompt or a screen: an open read keeps SQLite's log growing.
    """

    def __init__(self, url: str, role: Role = "admin") -> None:
        """Take a `sqlite:///` or `postgresql://` URL. Opens nothing yet; raises UsageError on another URL.

        A viewer's store is one that is there, and can only be read: raises Refused for a missing file.
        """
        self.role = role
        self.url = connecting.parse(url)
        self.dialect = self.url.get_backend_name()
        self._busy_seconds = connecting.busy_seconds(self.url)
        self._engine = self._make_engine()
        self._failed_at: float | None = None
        self._was_granted = self.dialect == "sqlite"  # the file's own rights speak, when it is opened

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
        """A transaction that may write. It commits at the end of the block and rolls back on an exception.

        Raises Refused for a viewer, and as `check_rights` does.
        """
        self.check_role("write")
        try:
            with self._translated(), self._engine.begin() as connection:
                yield connection
        except StoreUnavailable:
            self._failed_at = time.monotonic()
            raise
        # On a full disk there still is room for a transaction that changed nothing.
        if self._failed_at is not None and time.monotonic() - self._failed_at > WELL_SECONDS:
            self._failed_at = None
            log.info("the store %s can be used again", self, extra={"over": True})

    def check_role(self, act: str) -> None:
        """Raise Refused where the act takes a higher role than ours: before long work for it, or a request.

        At its end the audit asks once more. Raises Refused as `check_rights` does, too.
        """
        roles.check(self.role, act)
        self.check_rights()

    def check_rights(self) -> None:
        """Raise Refused where Postgres lets us only read; once it did let us write, it is not asked again.

        A standby and a missing grant are no faults that pass, as those are for which a verb waits.
        """
        if self._was_granted:
            return
        with self.read() as connection:
            only_reads, granted = connection.execute(_RIGHTS).one()
        if only_reads:
            raise Refused(
                f"the store {self} is on a server that only reads, as a standby does: look by `passbell "
                "--read-only`, or name the server that also writes in store.url"
            )
        if not granted:
            raise Refused(
                f"the store {self} lets this account only read: look by `passbell --read-only`, or let "
                "the owner of its tables grant INSERT, UPDATE and DELETE on all of them"
            )
        self._was_granted = True

    @property
    def may_write(self) -> bool:
        """Whether role and rights let us: for what a reading would keep on its way."""
        try:
            self.check_role("write")
        except Refused:
            return False
        return True

    def copy_to(self, file: Path) -> None:
        """Copy a SQLite store, as it is at one moment, into a new file (0600). Others may write meanwhile.

        Raises Refused where the file exists and for a viewer, UsageError on Postgres, StoreUnavailable where
        the copy fails; nothing is left behind then. VACUUM INTO, since SQLite's own backup begins anew at
        each write.
        """
        roles.check(self.role, "backup")
        if self.dialect != "sqlite":
            raise UsageError(f"the store {self} is in Postgres: back it up with pg_dump")
        try:
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise Refused(f"{file} exists: a backup overwrites nothing") from None
        except OSError as error:
            raise PassbellError(f"cannot write {file}: {error.strerror}") from None
        try:
            with self._engine.connect() as connection:
                connection.connection.cursor().execute("VACUUM INTO ?", (str(file),))
        except BaseException as error:
            file.unlink()
            if isinstance(error, sqlite3.Error):
                raise StoreUnavailable(f"the store {self} cannot be copied to {file}: {error}") from error
            raise

    def analyze(self, *tables: sa.Table) -> None:
        """Let Postgres count anew what is in tables that have just grown; SQLite needs nothing.

        Its own rounds come up to a minute later. Until then it may believe that a table with 100,000 rows has
        one, and a question of half a second takes hours.
        """
        if self.dialect == "sqlite":
            return
        for table in tables:
            with self.write() as connection:
                connection.execute(sa.text(f"ANALYZE {table.name}"))

    def keep_small(self, size: int) -> None:
        """Let this process keep no more than so many bytes of SQLite stores in memory, by and large.

        By itself each connection keeps up to 2 MB of pages for as long as it is open.
        """
        if self.dialect == "sqlite":
            with self.read() as connection:
                connection.exec_driver_sql(f"PRAGMA soft_heap_limit = {size:d}")

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """A database that cannot be reached or written is told in one sentence, without the password."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            if isinstance(error, sa.exc.ProgrammingError) and error.statement is None:  # on connecting
                raise UsageError(f"store.url is wrong: {self._reason(error)}") from error
            if type(error) not in _UNUSABLE and getattr(error.orig, "sqlstate", None) != _FORBIDDEN:
                raise
            raise StoreUnavailable(f"the store {self} cannot be used: {self._reason(error)}") from error

    def _reason(self, error: sa.exc.DBAPIError) -> str:
        """The database's own words, with what an operator has to know besides."""
        told = " ".join(str(error.orig).split())
        if getattr(error.orig, "sqlstate", None) == _FORBIDDEN:
            return f"{told}: let the owner of the tables grant it to this account"
        match getattr(error.orig, "sqlite_errorname", "").split("_")[:2]:
            case ["SQLITE", "BUSY"]:
                return f"{told}: another process has kept it for more than {self._busy_seconds:g} s"
            case ["SQLITE", "FULL"]:
                return f"{told}: make room there"
            case ["SQLITE", "IOERR"]:
                return f"{told}: is the disk full?"
            case ["SQLITE", "READONLY" | "CANTOPEN"]:
                return f"{told}: this user has to be able to write the file and its folder"
        return told

    def _make_engine(self) -> sa.Engine:
        options = {ROLE: self.role}
        if self.dialect == "postgresql":
            try:
                patience = {name: value for name, value in _PATIENCE.items() if name not in self.url.query}
                engine = sa.create_engine(
                    self.url, pool_pre_ping=True, connect_args=patience, execution_options=options
                )
            except ModuleNotFoundError:
                raise UsageError(
                    f"the store {self} needs the Postgres driver: pip install 'passbell[postgres]'"
                ) from None
            sa.event.listen(engine, "connect", connecting.set_up_postgres)
            if self.role == "viewer":
                sa.event.listen(engine, "connect", connecting.only_read_postgres)
            return engine
        if self.url.database and self.url.database != ":memory:":
            find = connecting.find_file if self.role == "viewer" else connecting.make_file
            find(Path(self.url.database))
        timeout = {"timeout": self._busy_seconds}
        engine = sa.create_engine(self.url, connect_args=timeout, execution_options=options)
        set_up = connecting.only_read_sqlite if self.role == "viewer" else connecting.set_up_sqlite
        sa.event.listen(engine, "connect", set_up)
        sa.event.listen(engine, "begin", connecting.begin_sqlite)
        return engine


class StoreUnavailable(PassbellError):
    """The database is locked, full, read-only, gone or refuses us. What was under way did not happen."""


def role_of(connection: sa.Connection) -> Role:
    """The role of whoever opened the store that this connection is to."""
    role: Role = connection.get_execution_options()[ROLE]
    return role


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that understands `on_conflict_do_update`, in the connection's own dialect."""
    module: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    return module.insert(table)


def lock(connection: sa.Connection, name: str, *, shared: bool = False) -> None:
    """Let one transaction at a time past this line. On SQLite a write transaction already is alone.

    Those that ask for it `shared` pass together, and keep out only those that do not.
    """
    if connection.dialect.name == "postgresql":
        take = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
        connection.execute(sa.select(take(crc32(name.encode()))))


def lock_rows(connection: sa.Connection, key: sa.ColumnElement[int], keys: Sequence[int]) -> None:
    """Lock rows in the order of their keys: two transactions that change the same ones never wait crosswise.

    On SQLite a write transaction already is alone.
    """
    if keys and connection.dialect.name == "postgresql":
        query = sa.select(key).where(among(connection, key, keys)).order_by(key)
        connection.execute(query.with_for_update())


def among(
    connection: sa.Connection, key: sa.ColumnElement[int], keys: Sequence[int]
) -> sa.ColumnElement[bool]:
    """`key IN (keys)` as one bound value: building hundreds of them costs more than finding the rows."""
    if connection.dialect.name == "postgresql":
        return key == sa.any_(sa.literal(list(keys), postgresql.ARRAY(sa.BigInteger)))
    each = sa.func.json_each(json.dumps(list(keys))).table_valued("value")
    return key.in_(sa.select(each.c.value))


def as_table(
    connection: sa.Connection, rows: Sequence[Sequence[Any]], columns: Mapping[str, sa.types.TypeEngine[Any]]
) -> sa.Select[Any]:
    """Rows as a table. They travel as one bound value: a parameter each ends at 32,766 (SQLite) or 65,535."""
    spelled = [[_spelled(connection, cell) for cell in row] for row in rows]
    return spread(connection, sa.literal(json.dumps(spelled), sa.Text), columns)


def spread(
    connection: sa.Connection,
    document: sa.ColumnElement[str],
    columns: Mapping[str, sa.types.TypeEngine[Any]],
) -> sa.Select[Any]:
    """Rows out of a JSON document `[[...], ...]`, which a kept statement takes as a parameter."""
    cells: list[sa.ColumnElement[Any]]
    if connection.dialect.name == "postgresql":
        item = sa.func.jsonb_array_elements(sa.cast(document, postgresql.JSONB)).column_valued("item")
        value = sa.type_coerce(item, postgresql.JSONB)
        cells = [sa.cast(value[number].astext, kind) for number, kind in enumerate(columns.values())]
    else:
        found = sa.func.json_each(document).table_valued("value").c.value
        cells = [
            sa.type_coerce(sa.func.json_extract(found, f"$[{number}]"), kind)
            for number, kind in enumerate(columns.values())
        ]
    return sa.select(*(cell.label(name) for cell, name in zip(cells, columns, strict=True)))


def _spelled(connection: sa.Connection, cell: Any) -> Any:
    """A moment as the database's own columns spell it."""
    if not isinstance(cell, datetime):
        return cell
    text = cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return text if connection.dialect.name == "sqlite" else f"{text}+00"


def kept(build: Callable[[sa.Connection], Statement]) -> Callable[[sa.Connection], Statement]:
    """A statement that is built once for each dialect: for small ones that costs more than their running."""
    built: dict[str, Statement] = {}

    @wraps(build)
    def found(connection: sa.Connection) -> Statement:
        dialect = connection.dialect.name
        if dialect not in built:
            built[dialect] = build(connection)
        return built[dialect]

    return found


def has_item(connection: sa.Connection, array: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    """Whether a JSON array has this text as an item."""
    if connection.dialect.name == "postgresql":
        return sa.type_coerce(array, postgresql.JSONB).contains([text])
    items = sa.func.json_each(array).table_valued("value")
    found = sa.select(sa.literal(1)).select_from(items).where(items.c.value == text)
    return found.correlate_except(items).exists()


def later(connection: sa.Connection, moment: sa.ColumnElement[Any], seconds: float) -> sa.ColumnElement[Any]:
    """A column's moment and so many seconds, as a moment."""
    if connection.dialect.name == "postgresql":
        added = moment + sa.literal(timedelta(seconds=seconds), sa.Interval)
        return sa.type_coerce(added, Moment())
    # Spelled as the column is: SQLite's own functions know milliseconds only.
    added = sa.func.strftime("%Y-%m-%d %H:%M:%f000", moment, f"{seconds:+.3f} seconds")
    return sa.type_coerce(added, Moment())


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
