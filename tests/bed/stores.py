"""Stores for the tests, in a SQLite file or on the bed's Postgres: empty, or with this version's tables."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from store.database import Database
from store.migrations import migrate
from store.schema import metadata
from tests.bed.postgres import database_url, execute
from tests.bed.servers import Server

_numbers = itertools.count(1)

CUT_OFF = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND datname = current_database()
"""
SHAPE = """
    SELECT md5(string_agg(concat(one, ' ', version), ',' ORDER BY one, version)) FROM (
        SELECT tableoid || ' ' || oid, xmin::text FROM pg_class WHERE oid >= 16384
        UNION ALL SELECT attrelid || ' ' || attname, xmin::text FROM pg_attribute WHERE attrelid >= 16384
        UNION ALL SELECT tableoid || ' ' || oid, xmin::text FROM pg_constraint WHERE oid >= 16384
        UNION ALL SELECT tableoid || ' ' || oid, xmin::text FROM pg_trigger
        UNION ALL SELECT tableoid || ' ' || oid, xmin::text FROM pg_proc WHERE oid >= 16384
        UNION ALL SELECT tableoid || ' ' || oid, xmin::text FROM pg_namespace WHERE oid >= 16384
        UNION ALL SELECT 'setting', setconfig::text FROM pg_db_role_setting
        UNION ALL SELECT 'revision', version_num FROM alembic_version
        UNION ALL SELECT 'room', (pg_database_size(current_database()) >> 24)::text
    ) AS found (one, version)
"""
"""Changes with every statement but those that read and write rows, and with each 16 MiB that these take."""
EMPTY = "; ".join(
    [
        *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)),
        "SELECT setval(sequencename::regclass, 1, false) FROM pg_sequences WHERE schemaname = 'public'",
    ]
)


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, once on each database; with tables if `current_url` is asked for."""
    current = "current_url" in request.fixturenames
    if request.param == "sqlite" and not current:
        return f"sqlite:///{tmp_path / 'passbell.db'}"
    url: str = request.getfixturevalue(f"current_{request.param}_url" if current else "postgres_url")
    return url


@pytest.fixture
def current_url(store_url: str) -> str:
    """The URL of a store that has this version's tables and no row: the fixture of every contract suite."""
    return store_url


@pytest.fixture
def current_sqlite_url(current_file: Path, tmp_path: Path) -> str:
    """The same in SQLite, for what no other database has a part in."""
    path = tmp_path / "passbell.db"
    shutil.copy(current_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def current_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store with this version's tables and no row, to be copied: quicker than a migration."""
    path = tmp_path_factory.mktemp("current") / "passbell.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return path


@pytest.fixture
def current_postgres_url(postgres_server: Server, kept: list[str]) -> Iterator[str]:
    """The same in Postgres: one database, emptied and used again until a test has changed more than rows."""
    postgres_server.start()  # a test of faults may have left it stopped
    if not kept:
        kept += _made(postgres_server, next(_numbers))
    name, shape = kept
    kept.clear()
    yield database_url(postgres_server.folder, name)
    postgres_server.start()
    if _emptied(database_url(postgres_server.folder, name), shape):
        kept += (name, shape)
    else:
        execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def kept() -> list[str]:
    """Name and shape of the database that is free to be used again, if there is one."""
    return []


def _made(server: Server, number: int) -> tuple[str, str]:
    name = f"passbell_current_{number}"
    execute(server, f"CREATE DATABASE {name}")
    url = database_url(server.folder, name)
    database = Database(url)
    migrate(database)
    database.close()
    with psycopg.connect(url) as connection:
        return name, _shape(connection)


def _emptied(url: str, shape: str) -> bool:
    """Delete all rows and count anew, unless more than rows has changed."""
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(CUT_OFF)
            if _shape(connection) != shape:
                return False
            connection.execute(EMPTY.encode())
    except psycopg.Error:  # the test took away the tables, or the rights, that this needs
        return False
    return True


def _shape(connection: psycopg.Connection[TupleRow]) -> str:
    row = connection.execute(SHAPE).fetchone()
    assert row is not None
    return str(row[0])
