"""Store and queue go away in mid-blast, are locked, full, read-only, poisoned: told in words, nobody lost."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import blasts
from jobs.queue import open_queue
from jobs.tasks import ring_from
from store import audit, ledger
from store.database import Database
from store.migrations import HEAD, revision
from tests.bed.servers import Server
from tests.cli.conftest import run
from tests.engine.conftest import PATIENCE, House

pytestmark = pytest.mark.slow
Build = Callable[..., House]
on_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("store_url", ["postgres"], indirect=True)

PASSBELL = "from console.cli import main; main()"
FULL_AT = 64 * 1024
"""Bytes that a file may hold on a full disk: less than the store has already, more than a log needs."""


def told(house: House) -> str:
    """What all the house's workers have said."""
    return (house.settings.home / "worker.log").read_text()


def child(house: House, code: str, *arguments: object) -> subprocess.Popen[str]:
    """A process of passbell's in this house, begun with some Python of the test's own."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=house.surroundings(),
    )


def command(house: House, *arguments: object) -> tuple[int, str]:
    """Run a command in this process; returns its exit code and what it said on standard error."""
    flags = [part for key, value in house.settings._flags.items() for part in ("--set", f"{key}={value}")]
    said = StringIO()
    with redirect_stderr(said), redirect_stdout(StringIO()):
        return run("--home", house.settings.home, *flags, *arguments), said.getvalue()


def refused(house: House, *arguments: object) -> str:
    """The one sentence with which a command fails."""
    return _one_sentence(*command(house, *arguments))


def refused_after(house: House, before: str, *arguments: object) -> str:
    """The same in a process of its own, in which `before` runs first."""
    process = child(house, f"{before}\n{PASSBELL}", *arguments)
    _, said = process.communicate(timeout=60)
    return _one_sentence(process.returncode, said)


def _one_sentence(code: int, said: str) -> str:
    assert code == 1, said
    assert said.startswith("passbell: ")
    assert said.count("\n") == 1
    return said


def acts(house: House) -> list[str]:
    with house.database.read() as connection:
        return [entry.act for entry in audit.page(connection, limit=1_000)]


def planned(house: House) -> int:
    with house.database.read() as connection:
        return len(ledger.list_blasts(connection, house.settings.account))


# ---- Postgres restarted ----------------------------------------------------------------------------


@on_postgres
def test_postgres_is_restarted_and_crashes_in_mid_blast(build: Build, postgres_server: Server) -> None:
    house = build(passkit__rate_per_second="80")
    house.faults(latency_ms=20)
    blast_id = house.launch()
    worker = house.start_worker()
    for end, accepted in ((postgres_server.stop, 10), (postgres_server.kill, 30)):
        house.wait_for_accepted(blast_id, accepted)
        end()
        assert "the store postgresql://" in refused(house, "blasts", "show", blast_id)
        house.wait("the worker says so", lambda: "cannot be used" in told(house))
        postgres_server.start()
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["failed"] == 0
    house.wait("the worker says that too", lambda: "can be used again" in told(house))
    postgres_server.kill()
    worker.send_signal(signal.SIGTERM)  # with nothing in hand it waits for nobody
    assert worker.wait(20) == 0
    postgres_server.start()
    assert "Traceback" not in told(house)


@on_postgres
def test_a_worker_that_is_ended_while_postgres_is_away_settles_first(
    build: Build, postgres_server: Server
) -> None:
    house = build(passkit__rate_per_second="100")
    house.faults(latency_ms=300)
    blast_id = house.launch()
    worker = house.start_worker()
    house.wait("some are in flight", lambda: house.stats["requests"] > 5)
    postgres_server.kill()
    house.wait("the worker says so", lambda: "cannot be used" in told(house))
    worker.send_signal(signal.SIGTERM)
    postgres_server.start()
    assert worker.wait(PATIENCE) == 0
    assert "Traceback" not in told(house)
    assert house.tally(blast_id).states["sending"] == 0
    assert house.stats["changed_passes"] == house.tally(blast_id).states["accepted"]
    house.faults()
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["failed"] == 0


@on_postgres
def test_a_settlement_that_cannot_be_written_holds_the_blast(build: Build) -> None:
    house = build(passkit__rate_per_second="100")
    house.faults(latency_ms=20)
    blast_id = house.launch()
    house.start_worker()
    house.wait_for_accepted(blast_id, 10)
    rename(house, "shown_text", "renamed")
    house.wait_for_state(blast_id, "held")
    assert "a fault of passbell's own (ProgrammingError)" in (house.blast(blast_id).hold_reason or "")
    house.wait("its log says what was wrong", lambda: "shown_text" in told(house))
    nothing_left_without_a_claim(house, blast_id)
    rename(house, "renamed", "shown_text")
    house.say(blasts.resume, blast_id, ring=lambda _: None)
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["failed"] == 0


def rename(house: House, column: str, to: str) -> None:
    """Somebody's hand in the tables of a store that is in use."""
    with house.database.write() as connection:
        connection.execute(sa.text(f"ALTER TABLE passes RENAME COLUMN {column} TO {to}"))


# ---- the queue away, emptied, poisoned -------------------------------------------------------------


@pytest.fixture
def queue_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty queue on the engine that a test names. To be asked for before the house."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def waiting(house: House) -> int:
    """How many messages nobody has heard yet."""
    queue = open_queue(house.settings)
    try:
        return int(queue.pending_count())
    finally:
        queue.storage.close()


class Poison:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


def poison(house: House) -> None:
    """Put messages into the queue that nobody signed, a task that does harm among them."""
    queue = open_queue(house.settings)
    bare = pickle.dumps(Poison(house.settings.home / "unpickled"))
    for message in (bare, bare + b":" + b"0" * 40, b"", b":", b"\x00\xff" * 50_000):
        queue.storage.enqueue(message)
    queue.storage.close()


def poison_was_refused(house: House) -> None:
    house.wait("all messages are taken out", lambda: not waiting(house))
    assert not (house.settings.home / "unpickled").exists()
    assert "it is not signed with this installation's queue.secret" in told(house)
    assert "Traceback" not in told(house)


@on_sqlite
def test_a_poisoned_message_is_refused_and_the_worker_goes_on(build: Build) -> None:
    house = build()
    blast_id = house.launch()
    poison(house)
    ring_from(house.settings)(blast_id)
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    poison_was_refused(house)
    house.nothing_lost(blast_id)


@on_sqlite
@pytest.mark.parametrize("queue_url", ["valkey", "postgres"], indirect=True)
def test_the_queue_is_restarted_and_poisoned_and_what_rang_is_lost(
    queue_url: str, build: Build, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    engine = "postgres" if queue_url.startswith("postgres") else "valkey"
    server: Server = request.getfixturevalue(f"{engine}_server")
    house = build(queue__url=queue_url, passkit__rate_per_second="200")
    ring = ring_from(house.settings)
    first = house.launch()
    ring(first)
    server.kill()
    server.start()
    assert waiting(house) == (0 if engine == "valkey" else 1)
    poison(house)
    worker = house.start_worker()
    house.wait_for_accepted(first, 10)
    poison_was_refused(house)
    server.kill()
    second = house.plan("While the queue is away")
    expect = second.tally.counts["pending"]
    code, _ = command(house, "blasts", "launch", second.blast.id, "--expect", expect)
    assert code == 0
    assert "workers find the blast without it" in caplog.text
    house.wait_for_state(first, "finished")
    house.wait_for_state(second.blast.id, "finished")
    for blast_id in (first, second.blast.id):
        assert house.nothing_lost(blast_id).states["failed"] == 0
    house.wait("the worker says so", lambda: "cannot be read" in told(house))
    server.start()
    house.wait("the queue is heard again", lambda: "can be read again" in told(house))
    ring(first)
    house.wait("the ring is heard", lambda: not waiting(house))
    server.stop()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    assert told(house).count("cannot be read") <= 2
    assert "Traceback" not in told(house)


# ---- SQLite locked, full, read-only ----------------------------------------------------------------

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(house: House) -> Iterator[None]:
    """Another process holds the store's one write lock."""
    process = child(house, LOCK, house.database.url.database)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    try:
        yield
    finally:
        process.communicate()


@on_sqlite
def test_the_store_is_locked_by_another_process_in_mid_blast(build: Build, store_url: str) -> None:
    house = build(store__url=f"{store_url}?timeout=0.3", passkit__rate_per_second="100")
    house.faults(latency_ms=100)
    blast_id = house.launch()
    house.start_worker()
    house.wait_for_accepted(blast_id, 10)
    house.faults()
    before = acts(house)
    sentence = "database is locked: another process has kept it for more than 0.3 s"
    with locked(house):
        house.wait("the worker says so", lambda: sentence in told(house))
        plan = ("blasts", "plan", "--program", house.program, "--all", "--text", "Locked out")
        assert sentence in refused(house, *plan)
        assert sentence in refused(house, "blasts", "pause", blast_id)
        assert house.blast(blast_id).state == "running"
        assert (acts(house), planned(house)) == (before, 1)
        nothing_left_without_a_claim(house, blast_id)
        assert house.tally(blast_id).open > 0
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["failed"] == 0
    assert "Traceback" not in told(house)


def nothing_left_without_a_claim(house: House, blast_id: int) -> None:
    """Whoever was messaged stands in the ledger as accepted, or as on the way."""
    changed = house.stats["changed_passes"]  # first: what the ledger learns after it does not matter
    states = house.tally(blast_id).states
    assert changed <= states["accepted"] + states["sending"]


def fill_disk(process: int, size: int) -> None:
    """From now on no file of this process grows beyond so many bytes."""
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@on_sqlite
def test_the_stores_disk_is_full_in_mid_blast(build: Build) -> None:
    house = build(passkit__rate_per_second="100")
    house.faults(latency_ms=20)
    blast_id = house.launch()
    worker = house.start_worker()
    house.wait_for_accepted(blast_id, 10)
    fill_disk(worker.pid, FULL_AT)
    house.wait("the worker says so", lambda: "is the disk full?" in told(house))
    full = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({FULL_AT}, -1))"
    plan = ("blasts", "plan", "--program", house.program, "--all", "--text", "No room")
    assert "is the disk full?" in refused_after(house, full, *plan)
    assert planned(house) == 1
    nothing_left_without_a_claim(house, blast_id)
    assert house.tally(blast_id).open > 0
    fill_disk(worker.pid, resource.RLIM_INFINITY)
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["failed"] == 0
    assert worker.poll() is None
    assert "Traceback" not in told(house)


# Root may write whatever its mode says, unless it gives up these powers: over modes, search and owners.
BOUND_BY_MODES = """
import ctypes, os, sys
if os.geteuid() == 0 and not os.environ.get("BOUND"):
    assert all(ctypes.CDLL(None, use_errno=True).prctl(24, power) == 0 for power in (1, 2, 3))
    os.execve(sys.executable, sys.orig_argv, {{**os.environ, "BOUND": "yes"}})
assert not os.access({closed!r}, os.W_OK), "file modes do not bind this process"
"""


@on_sqlite
def test_a_read_only_store_is_told_and_nothing_is_half_done(build: Build, tmp_path: Path) -> None:
    house = build()
    blast_id = house.launch()
    house.settings.queue_secret()  # else what cannot be written first is this
    house.database.close()  # the last one out takes the log files along
    for closed, mode in ((tmp_path / "passbell.db", 0o400), (tmp_path, 0o500)):
        usual = closed.stat().st_mode
        closed.chmod(mode)
        try:
            before = BOUND_BY_MODES.format(closed=str(closed))
            said = refused_after(house, before, "blasts", "pause", blast_id)
        finally:
            closed.chmod(usual)
        assert f"the store sqlite:///{tmp_path / 'passbell.db'} cannot be used: " in said
        assert "this user has to be able to write the file and its folder" in said
    assert house.blast(blast_id).state == "running"
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    house.nothing_lost(blast_id)


# ---- the schema ------------------------------------------------------------------------------------


def set_revision(house: House, to: str) -> None:
    with house.database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :to"), {"to": to})


@on_sqlite
def test_a_worker_that_is_older_than_the_store_stops_and_none_starts(build: Build) -> None:
    house = build(passkit__rate_per_second="60")
    blast_id = house.launch()
    worker = house.start_worker()
    house.wait_for_accepted(blast_id, 5)
    set_revision(house, "9999")
    assert worker.wait(PATIENCE) == 0
    assert "at revision 9999" in told(house)
    assert "this worker stops" in told(house)
    assert house.tally(blast_id).states["sending"] == 0
    assert house.start_worker().wait(PATIENCE) == 1
    assert "which this passbell does not know: upgrade passbell" in told(house)
    assert "Traceback" not in told(house)
    assert "upgrade passbell" in refused(house, "blasts", "pause", blast_id)
    set_revision(house, HEAD)
    house.say(blasts.pause, blast_id)
    house.say(blasts.resume, blast_id, ring=lambda _: None)
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    house.nothing_lost(blast_id)


def test_two_workers_make_a_new_store_at_once(build: Build, store_url: str, tmp_path: Path) -> None:
    new = f"sqlite:///{tmp_path / 'new.db'}" if store_url.startswith("sqlite") else store_url
    house = build(store__url=new)
    if new == store_url:
        with house.database.write() as connection:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
    for _ in range(2):
        house.start_worker()
    house.wait("both have started", lambda: told(house).count(" started\n") == 2)
    database = Database(new)
    assert revision(database) == HEAD
    database.close()
    assert "ERROR" not in told(house)
