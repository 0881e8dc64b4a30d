"""What the benchmarks share: a store filled with members, blasts, workers, and a Postgres of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from jobs import blasts, plans, worker_child
from store import enrolments, ledger, migrations, programs
from store.audiences import Selection
from store.database import Database
from store.programs import Program, Tier
from store.schema import batches
from store.settings import Settings, load
from tests.bed import postgres
from tests.bed.servers import Server, server_folder
from tests.store.crowd import open_store

PAGE = 5_000
KEY, SECRET = "bench", "a-secret-of-more-than-thirty-two-characters"


@dataclass(frozen=True, slots=True)
class House:
    """An installation in a folder of its own."""

    settings: Settings
    database: Database

    def plan(self, text: str, expression: str = "points >= 0 AND tier = 'gold'") -> plans.Plan:
        """Plan a blast to everybody that the expression takes in."""
        chosen = Selection("where", expression)
        return plans.plan(self.database, self.settings, program="P", chosen=chosen, text=text, actor="bench")

    def launch(self, plan: plans.Plan) -> int:
        """Launch it; no worker is told, each finds it by its tick."""
        expect = plan.tally.counts["pending"]
        blasts.launch(
            self.database, self.settings, plan.blast.id, expect=expect, actor="bench", ring=lambda _: None
        )
        return plan.blast.id

    def state(self, blast_id: int) -> str:
        """A blast's state."""
        with self.database.read() as connection:
            return ledger.get(connection, blast_id).state

    def states(self, blast_id: int) -> Mapping[str, int]:
        """How many deliveries are in which state."""
        with self.database.read() as connection:
            return ledger.tally(connection, blast_id).states

    def seconds(self, blast_id: int) -> float:
        """From the first claim to the last settlement."""
        with self.database.read() as connection:
            began, ended = connection.execute(
                sa.select(sa.func.min(batches.c.claimed_at), sa.func.max(batches.c.settled_at)).where(
                    batches.c.blast_id == blast_id
                )
            ).one()
        seconds: float = (ended - began).total_seconds()
        return seconds


@contextmanager
def house(store_url: str = "", *, kept: Path | None = None, **flags: Any) -> Iterator[House]:
    """An installation with an empty store; `passkit__rate_per_second=100` sets a setting.

    One that is `kept` in a folder is found there again, with what is in its store.
    """
    wanted = {name.replace("__", "."): str(value) for name, value in flags.items()}
    wanted |= {"engine.undo_seconds": "0"} | ({"store.url": store_url} if store_url else {})
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
    with nullcontext(kept) if kept is not None else tempfile.TemporaryDirectory() as home:
        settings = load(Path(home), wanted)
        database = Database(settings.store_url)
        migrations.migrate(database)
        try:
            yield House(settings, database)
        finally:
            database.close()


@contextmanager
def workers(settings: Settings, count: int = 1) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Worker processes, ended in order with the block."""
    crew = [worker_child.start(settings) for _ in range(count)]
    try:
        yield crew
    finally:
        for one in crew:
            assert one.stdin is not None
            one.stdin.close()
        for one in crew:
            one.wait(60)


def wait(what: str, done: Callable[[], bool], crew: list[subprocess.Popen[bytes]]) -> None:
    """Look ten times a second; give up where a worker dies."""
    while not done():
        if any(one.poll() is not None for one in crew):
            sys.exit(f"a worker died while this waited until {what}")
        time.sleep(0.1)


def fill(house: House, count: int) -> None:
    """So many installed members in one program; a kept store is not filled twice."""
    settings, at = house.settings, datetime.now(UTC)
    with house.database.read() as connection:
        if programs.list_programs(connection, settings.account):
            return
    with house.database.write() as connection:
        programs.upsert_program(connection, Program("P", settings.account, "membership", "Bench"))
        programs.replace_tiers(connection, "P", [Tier("gold", "Gold", "T", "ok")])
        programs.mark_synced(connection, "P", message_field=settings.passkit.message_field, at=at)
    for start in range(0, count, PAGE):
        page = [enrolments.storable(holder(number)) for number in range(start, min(start + PAGE, count))]
        with house.database.write() as connection:
            enrolments.upsert_page(connection, "P", page, message_key=settings.message_key, seen_at=at)


def holder(number: int) -> dict[str, Any]:
    """A member as a sync reads it."""
    return {
        "provider_id": f"{number:022}",
        "external_id": f"M{number:07}",
        "tier_id": "gold",
        "name": f"Anna {number} Lind",
        "email": f"anna{number}@example.com",
        "phone": "",
        "points": float(number),
        "secondary_points": None,
        "tier_points": None,
        "birthday": None,
        "status": "ACTIVE",
        "opted_out": False,
        "expires_at": None,
        "created_at": None,
        "updated_at": None,
        "pass_status": "PASS_INSTALLED",
        "wallets": ["apple"],
        "installed_at": None,
        "meta": {"zip": f"{number % 99999:05}", "city": "Wien"},
        "keys": {},
    }


@contextmanager
def postgres_url() -> Iterator[str]:
    """A Postgres of its own that keeps what it is told, as one in earnest does (fsync on)."""
    folder = server_folder()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        binaries = postgres.find_binaries(folder)
        postgres.initialise(binaries / "initdb", folder / "data")
        options = ["-c", "listen_addresses=", "-c", "timezone=UTC"]
        server = Server(
            url=postgres.database_url(folder, "postgres"),
            command=[str(binaries / "postgres"), "-D", str(folder / "data"), "-k", str(folder), *options],
            folder=folder,
            answers=postgres.answers,
            gentle="INT",
            abrupt="QUIT",
        )
        stack.callback(server.close)
        server.start()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        yield postgres.database_url(folder, "bench")


def peak_memory(worker: subprocess.Popen[bytes]) -> float:
    """The most memory that a running worker has had so far, in MB (Linux)."""
    for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1_000
    sys.exit("this machine does not tell a process's memory")


@contextmanager
def fresh_store(kind: str) -> Iterator[Database]:
    """An empty store with one program, `sqlite` or `postgres`, gone afterwards."""
    with ExitStack() as stack:
        if kind == "postgres":
            url = stack.enter_context(postgres_url())
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            url = f"sqlite:///{Path(folder) / 'bench.db'}"
        database = open_store(url)
        stack.callback(database.close)
        yield database


def private() -> None:
    """What a benchmark writes is nobody else's to read."""
    os.umask(0o077)
