"""The store leaves alone what is not its own, and tells no password."""

from __future__ import annotations

import re
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from store.database import Database, StoreUnavailable
from store.errors import PassbellError, UsageError
from store.migrations import SchemaForeign, migrate


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'passbell.db'}")
    migrate(database)
    assert mode(tmp_path / "passbell.db") == 0o600
    database.close()


def test_another_programs_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE users (id INTEGER)")
    other.commit()
    path.chmod(0o644)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(SchemaForeign, match="tables that are not passbell's"):
        migrate(database)
    database.close()
    assert [row[0] for row in other.execute("SELECT name FROM sqlite_master")] == ["users"]
    other.close()
    assert mode(path) == 0o644


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("not a database, but long enough to be looked at as one " * 20)
    path.chmod(0o644)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(StoreUnavailable, match="file is not a database"):
        migrate(database)
    database.close()
    assert mode(path) == 0o644


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(PassbellError, match="it is a folder"):
        Database(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize(
    "url", ["postgresql://me:hush@127.0.0.1:1/x", "postgresql://me@127.0.0.1:1/x?password=hush"]
)
def test_a_password_is_never_told(url: str) -> None:
    database = Database(url)
    with pytest.raises(StoreUnavailable) as refused, database.read():
        pass
    assert "hush" not in f"{refused.value} {database}"
    assert "127.0.0.1" in str(refused.value)
    database.close()


def test_a_new_file_that_another_process_just_writes_is_waited_for(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'passbell.db'}")
    other = sqlite3.connect(tmp_path / "passbell.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE first (id INTEGER)")
    threading.Timer(0.2, other.rollback).start()
    with database.write() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
    other.close()
    database.close()


def test_how_long_a_locked_store_is_waited_for_stands_in_its_url(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'passbell.db'}?timeout=0.05")
    migrate(database)
    with database.write():
        other = Database(f"sqlite:///{tmp_path / 'passbell.db'}?timeout=0.05")
        with pytest.raises(StoreUnavailable, match=r"has kept it for more than 0\.05 s"), other.write():
            pass
    database.close()
    other.close()
    for query, words in {
        "timeout=long": "timeout is a number of seconds",
        "timeout=nan": "timeout is a number of seconds",
        "foo=1": "foo is no option of SQLite's: only ?timeout=SECONDS may stand there",
    }.items():
        with pytest.raises(UsageError, match=re.escape(words)):
            Database(f"sqlite:///{tmp_path / 'passbell.db'}?{query}")
    for url in ("sqlite://host/x", "sqlite:///a\0b", "postgresql:///a\0b"):
        with pytest.raises(UsageError, match=r"store\.url is not a URL: write sqlite:///path"):
            Database(url)


def test_a_process_keeps_little_of_its_stores_in_memory(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'passbell.db'}")
    database.keep_small(2_000_000)
    with database.read() as connection:
        assert connection.execute(sa.text("PRAGMA soft_heap_limit")).scalar() == 2_000_000
    database.keep_small(0)  # it is the process's, and other tests share that
    database.close()


@pytest.mark.parametrize(
    ("first", "words"),
    [("SET ROLE pg_monitor", "permission denied for table"), ("SET TRANSACTION READ ONLY", "read-only")],
)
def test_a_server_that_lets_nothing_be_written_is_told_in_words(
    postgres_url: str, first: str, words: str
) -> None:
    database = Database(postgres_url)
    migrate(database)

    def empty() -> None:
        with database.write() as connection:
            connection.execute(sa.text(first))
            connection.execute(sa.text("DELETE FROM members"))

    with pytest.raises(StoreUnavailable, match=words):
        empty()
    database.close()


def test_an_option_that_postgres_does_not_know_is_told_without_its_value() -> None:
    database = Database("postgresql://ann:s3cret@127.0.0.1:1/x?bogus=s3cret")
    with pytest.raises(UsageError, match=r'^store\.url is wrong: .*"bogus"') as told, database.read():
        pass
    assert "s3cret" not in str(told.value)
    database.close()


def test_a_client_that_is_lost_in_mid_transaction_keeps_no_lock_for_ever(postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.read() as connection:
        kept = connection.execute(sa.text("SHOW idle_in_transaction_session_timeout")).scalar()
    database.close()
    assert kept == "1min"
